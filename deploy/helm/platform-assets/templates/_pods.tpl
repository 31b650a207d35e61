{{/* Of every pod: never root, nothing writable but what is mounted, its seat by priority. */}}
{{- define "pa.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .user }}
runAsGroup: {{ .user }}
fsGroup: {{ .user }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "pa.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "pa.place" -}}
{{- if .Values.priorityClasses.create }}
priorityClassName: platform-assets-control
{{- end }}
{{- with .Values.controlPlane.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.controlPlane.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.controlPlane.avoidSpot }}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            - {key: platform-assets/spot, operator: NotIn, values: ["true"]}
{{- end }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Vault's agent writes the secret as a file of assignments, which the command reads first. */}}
{{- define "pa.vaultAnnotations" -}}
vault.hashicorp.com/agent-inject: "true"
vault.hashicorp.com/agent-pre-populate-only: "true"
vault.hashicorp.com/role: {{ .root.Values.secrets.vault.role | quote }}
vault.hashicorp.com/agent-inject-secret-environment: {{ .path | quote }}
vault.hashicorp.com/agent-inject-template-environment: |
  {{ `{{- with secret "` }}{{ .path }}{{ `" }}{{ range $name, $value := .Data.data }}` }}
  export {{ `{{ $name }}='{{ $value | replaceAll "'" "'\\''" }}'` }}
  {{ `{{ end }}{{ end }}` }}
{{- end -}}

{{- define "pa.vaultCommand" -}}
["/bin/sh", "-c", ". /vault/secrets/environment && exec \"$@\"", "--"]
{{- end -}}

{{/* Annotations of a pod: it is started anew when what it reads has changed. */}}
{{- define "pa.podAnnotations" -}}
checksum/settings: {{ include "pa.settings" .root | sha256sum }}
checksum/instance: {{ include "pa.instance" .root | sha256sum }}
{{- if eq .root.Values.secrets.source "vault" }}
{{ include "pa.vaultAnnotations" (dict "root" .root "path" (default .root.Values.secrets.vault.path .path)) }}
{{- end }}
{{- end -}}

{{- define "pa.command" -}}
{{- if eq .root.Values.secrets.source "vault" }}
command: {{ include "pa.vaultCommand" . }}
args: {{ .command | toJson }}
{{- else }}
command: {{ .command | toJson }}
{{- end }}
{{- end -}}

{{/* Environment: `all` for what runs the platform's code, the database's password alone for the rest. */}}
{{- define "pa.environment" -}}
env:
  - name: POD_IP
    valueFrom: {fieldRef: {fieldPath: status.podIP}}
  {{- if and (not .all) (ne .root.Values.secrets.source "vault") }}
  - name: DAGSTER_PG_PASSWORD
    valueFrom: {secretKeyRef: {name: {{ .root.Values.secrets.name }}, key: DAGSTER_PG_PASSWORD}}
  {{- end }}
envFrom:
  - configMapRef: {name: {{ .root.Values.name }}-settings{{ .suffix }}}
  {{- if and .all (ne .root.Values.secrets.source "vault") }}
  - secretRef: {name: {{ .root.Values.secrets.name }}}
  {{- end }}
{{- end -}}

{{- define "pa.volumes" -}}
- name: instance
  configMap: {name: {{ .root.Values.name }}-dagster-instance{{ .suffix }}}
- name: tmp
  emptyDir: {sizeLimit: 2Gi}
{{- if or .home .logs }}
- name: home
  persistentVolumeClaim: {claimName: {{ include "pa.claim" (dict "root" .root "key" "home" "name" "home") }}}
{{- end }}
{{- end -}}

{{- define "pa.mounts" -}}
- {name: instance, mountPath: /opt/dagster/home, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if .home }}
- {name: home, mountPath: {{ include "pa.home" . }}}
{{- else if .logs }}
- {name: home, mountPath: {{ include "pa.home" . }}/dagster, subPath: dagster}
{{- end }}
{{- end -}}
