{{- define "pa.selector" -}}
app.kubernetes.io/name: {{ .root.Values.name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "pa.labels" -}}
{{ include "pa.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "pa.reference" -}}
{{- .repository -}}{{- with .tag }}:{{ . }}{{ end -}}{{- with .digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "pa.account" -}}
{{ .root.Values.name }}-{{ .account }}
{{- end -}}

{{- define "pa.claim" -}}
{{- $claim := index .root.Values.storage .key -}}
{{- default (printf "%s-%s" .root.Values.name .name) $claim.existingClaim -}}
{{- end -}}

{{- define "pa.home" -}}/var/lib/platform-assets{{- end -}}
{{- define "pa.log" -}}/var/lib/platform-assets/prediction-log{{- end -}}
{{- define "pa.releases" -}}/var/lib/platform-assets-releases{{- end -}}

{{- define "pa.mlflow" -}}
{{- if .Values.mlflow.enabled -}}http://{{ .Values.name }}-mlflow:5000{{- else -}}{{ .Values.mlflow.address }}{{- end -}}
{{- end -}}

{{- define "pa.database" -}}
{{- if .Values.postgresql.enabled -}}{{ .Values.name }}-postgresql{{- else -}}{{ .Values.database.host }}{{- end -}}
{{- end -}}
