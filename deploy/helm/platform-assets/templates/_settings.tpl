{{/* PLATFORM_ASSETS_KUBERNETES: what platform_assets/deployment/kubernetes/settings.py reads. */}}
{{- define "pa.cluster" -}}
{{- $serving := .Values.serving -}}
{{- $cluster := dict
  "namespace" .Release.Namespace
  "service_account" (printf "%s-serving" .Values.name)
  "images" $serving.images
  "runtime_image" (include "pa.reference" $serving.runtimeImage)
  "image_pull_secrets" .Values.image.pullSecrets
  "log_claim" (include "pa.claim" (dict "root" . "key" "predictionLog" "name" "prediction-log"))
  "log_folder" (include "pa.log" .)
  "gateway" .Values.gateway.name
  "gateway_namespace" (default .Release.Namespace .Values.gateway.namespace)
  "address" $serving.address
  "hostnames" $serving.hostnames
  "routes" $serving.routes
  "retries" $serving.retries
  "gateway_pods" $serving.gatewayPods
  "keep_releases" $serving.keepReleases
  "node_cache_gigabytes" $serving.nodeCache.gigabytes
  "node_classes" $serving.nodeClasses
  "reach" $serving.reach
  "start_timeout_seconds" $serving.startTimeoutSeconds
  "drain_seconds" $serving.drainSeconds
  "request_timeout_seconds" $serving.requestTimeoutSeconds
  "in_flight_metric" $serving.inFlightMetric
  "metrics_namespaces" .Values.networkPolicy.metricsNamespaces
  "network_policy" $serving.networkPolicy
  "store_ports" $serving.storePorts
-}}
{{- if $serving.releases -}}
{{- $_ := set $cluster "releases" $serving.releases -}}
{{- else -}}
{{- $_ := set $cluster "releases" (include "pa.releases" .) -}}
{{- $_ := set $cluster "release_claim" (include "pa.claim" (dict "root" . "key" "releases" "name" "releases")) -}}
{{- end -}}
{{- with .Values.gateway.section }}{{ $_ := set $cluster "gateway_section" . }}{{ end -}}
{{- with $serving.gatewayMetrics }}{{ $_ := set $cluster "gateway_metrics" . }}{{ end -}}
{{- with $serving.nodeCache.folder }}{{ $_ := set $cluster "node_cache_folder" . }}{{ end -}}
{{- if .Values.secrets.follow }}{{ $_ := set $cluster "credentials_secret" .Values.secrets.name }}{{ $_ := set $cluster "credentials_folder" (include "pa.credentials" .) }}{{ end -}}
{{- if .Values.priorityClasses.create }}{{ $_ := set $cluster "priority_class" "platform-assets-serving" }}{{ end -}}
{{- toJson $cluster -}}
{{- end -}}

{{/* Where the platform's Secret is mounted, in its own pods and, what services need of it, in theirs. */}}
{{- define "pa.credentials" -}}/run/platform-assets/credentials{{- end -}}

{{/* Environment of every pod of the platform. */}}
{{- define "pa.settings" -}}
PLATFORM_ASSETS_HOME: {{ include "pa.home" . }}
PLATFORM_ASSETS_DAGSTER: {{ include "pa.home" . }}/dagster
PLATFORM_ASSETS_NAMESPACE: {{ .Release.Namespace }}
PLATFORM_ASSETS_IMAGE: {{ include "pa.reference" .Values.image }}
PLATFORM_ASSETS_ENVIRONMENT: {{ .Values.environment }}
PLATFORM_ASSETS_AUTOMATION: {{ .Values.automation | quote }}
PLATFORM_ASSETS_EXECUTOR: kubernetes
PLATFORM_ASSETS_TARGET: kubernetes
PLATFORM_ASSETS_KUBERNETES: {{ include "pa.cluster" . | quote }}
PLATFORM_ASSETS_MLFLOW: {{ include "pa.mlflow" . }}
{{- if .Values.secrets.follow }}
PLATFORM_ASSETS_SECRETS: {{ dict "kind" "kubernetes" "folder" (include "pa.credentials" .) "wins" "source" | toJson | quote }}
{{- end }}
{{- range $name, $value := dict
  "LAKE" .Values.settings.lake
  "MLFLOW_ARTIFACTS" .Values.settings.mlflowArtifacts
  "FEAST_ONLINE_STORE" .Values.settings.feastOnlineStore
  "RAY_ADDRESS" .Values.settings.rayAddress
  "SIMULATION" .Values.settings.simulation }}
{{- with $value }}
PLATFORM_ASSETS_{{ $name }}: {{ . | quote }}
{{- end }}
{{- end }}
DAGSTER_HOME: /opt/dagster/home
DAGSTER_PG_HOST: {{ include "pa.database" . }}
DAGSTER_PG_PORT: {{ .Values.database.port | quote }}
DAGSTER_PG_USERNAME: {{ .Values.database.user }}
DAGSTER_PG_DB: {{ .Values.database.name }}
{{- range $name, $value := .Values.settings.extra }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* dagster.yaml: files/dagster.yaml with what the values say about runs. */}}
{{- define "pa.instance" -}}
{{- $instance := .Files.Get "files/dagster.yaml" | fromYaml -}}
{{- $launcher := $instance.run_launcher.config -}}
{{- $name := .Values.name -}}
{{- $vault := eq .Values.secrets.source "vault" -}}
{{- $queue := $instance.run_coordinator.config -}}
{{- $_ := set $queue "max_concurrent_runs" .Values.runs.maxConcurrent -}}
{{- $limits := list (dict "key" "platform-assets/priority" "value" "low" "limit" (max 1 (div (mul .Values.runs.maxConcurrent 6) 10))) -}}
{{- if .Values.quota.gpus }}{{ $limits = append $limits (dict "key" "platform-assets/gpu" "limit" (int64 .Values.quota.gpus)) }}{{ end -}}
{{- $_ := set $queue "tag_concurrency_limits" $limits -}}
{{- if not .Values.priorityClasses.create }}{{ $_ := set $launcher "priority_classes" dict }}{{ end -}}
{{- $_ := set $launcher "service_account_name" (printf "%s-runs" $name) -}}
{{- $_ := set $launcher "instance_config_map" (printf "%s-dagster-instance" $name) -}}
{{- $_ := set $launcher "env_config_maps" (list (printf "%s-settings" $name)) -}}
{{- $_ := set $launcher "env_secrets" (ternary (list) (list .Values.secrets.name) $vault) -}}
{{- $_ := set $launcher "image_pull_policy" .Values.image.pullPolicy -}}
{{- $_ := set $launcher "resources" .Values.runs.resources -}}
{{- $_ := set $launcher "labels" (dict "platform-assets/part" "run") -}}
{{- $pullSecrets := list -}}
{{- range .Values.image.pullSecrets }}{{ $pullSecrets = append $pullSecrets (dict "name" .) }}{{ end -}}
{{- $_ := set $launcher "image_pull_secrets" $pullSecrets -}}
{{- $volumes := include "pa.runVolumes" . | fromYaml -}}
{{- $_ := set $launcher "volumes" $volumes.volumes -}}
{{- $_ := set $launcher "volume_mounts" $volumes.mounts -}}
{{- $pods := include "pa.runPods" . | fromYaml -}}
{{- $_ := set $launcher "run_k8s_config" (mergeOverwrite (default dict $launcher.run_k8s_config) $pods) -}}
{{- toYaml $instance -}}
{{- end -}}

{{- define "pa.runPods" -}}
job_spec_config: {ttl_seconds_after_finished: {{ .Values.runs.keepSeconds }}}
{{- with .Values.runs.kueueQueue }}
job_metadata: {labels: {kueue.x-k8s.io/queue-name: {{ . | quote }}}}
{{- end }}
pod_spec_config:
  automount_service_account_token: true
  security_context: {{- include "pa.podSecurity" (dict "user" 65532) | nindent 4 }}
  {{- with .Values.runs.nodeSelector }}
  node_selector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.runs.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
container_config:
  security_context: {{- include "pa.containerSecurity" . | nindent 4 }}
  {{- if eq .Values.secrets.source "vault" }}
  command: {{ include "pa.vaultCommand" . }}
pod_template_spec_metadata:
  annotations: {{- include "pa.vaultAnnotations" (dict "root" . "path" .Values.secrets.vault.path) | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Volumes of code location and runs: home, releases, prediction log, scratch, CSI. */}}
{{- define "pa.runVolumes" -}}
volumes:
  - name: home
    persistentVolumeClaim: {claimName: {{ include "pa.claim" (dict "root" . "key" "home" "name" "home") }}}
  - name: prediction-log
    persistentVolumeClaim: {claimName: {{ include "pa.claim" (dict "root" . "key" "predictionLog" "name" "prediction-log") }}}
  {{- if not .Values.serving.releases }}
  - name: releases
    persistentVolumeClaim: {claimName: {{ include "pa.claim" (dict "root" . "key" "releases" "name" "releases") }}}
  {{- end }}
  - name: scratch
    {{- with .Values.storage.scratch }}
    {{- if eq .kind "claim" }}
    ephemeral:
      volumeClaimTemplate:
        spec:
          accessModes: [ReadWriteOnce]
          {{- with .storageClass }}
          storageClassName: {{ . }}
          {{- end }}
          resources: {requests: {storage: {{ .size }}}}
    {{- else }}
    emptyDir: {sizeLimit: {{ .size }}{{ if eq .kind "memory" }}, medium: Memory{{ end }}}
    {{- end }}
    {{- end }}
  {{- if .Values.secrets.follow }}
  - name: credentials
    secret: {secretName: {{ .Values.secrets.name }}, defaultMode: 0440}
  {{- end }}
  {{- range .Values.storage.csi }}
  - name: {{ .name }}
    csi:
      driver: {{ .driver }}
      readOnly: {{ .readOnly }}
      {{- with .attributes }}
      volumeAttributes: {{- toYaml . | nindent 8 }}
      {{- end }}
  {{- end }}
mounts:
  - {name: home, mountPath: {{ include "pa.home" . }}}
  - {name: prediction-log, mountPath: {{ include "pa.log" . }}}
  {{- if not .Values.serving.releases }}
  - {name: releases, mountPath: {{ include "pa.releases" . }}}
  {{- end }}
  - {name: scratch, mountPath: /tmp}
  {{- if .Values.secrets.follow }}
  - {name: credentials, mountPath: {{ include "pa.credentials" . }}, readOnly: true}
  {{- end }}
  {{- range .Values.storage.csi }}
  - {name: {{ .name }}, mountPath: {{ .mountPath }}, readOnly: {{ .readOnly }}}
  {{- end }}
{{- end -}}
