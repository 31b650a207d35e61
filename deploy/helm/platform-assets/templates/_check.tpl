{{/* What the schema cannot say: fields that need, or exclude, each other. Each sentence names the field. */}}
{{- define "pa.check" -}}
{{- $v := .Values -}}
{{- if and $v.postgresql.enabled $v.database.host }}{{ fail "database.host: leave it empty, or turn postgresql.enabled off" }}{{ end -}}
{{- if and (not $v.postgresql.enabled) (not $v.database.host) }}{{ fail "database.host: name PostgreSQL's host, or turn postgresql.enabled on" }}{{ end -}}
{{- if and (not $v.mlflow.enabled) (not $v.mlflow.address) }}{{ fail "mlflow.address: name the server, or turn mlflow.enabled on" }}{{ end -}}
{{- if and (or (gt (int $v.webserver.replicas) 1) (gt (int $v.runs.maxConcurrent) 1)) (eq $v.storage.home.accessMode "ReadWriteOncePod") }}{{ fail "storage.home.accessMode: ReadWriteOncePod admits one pod, and code location and runs share the claim" }}{{ end -}}
{{- range $name, $_ := $v.settings.extra }}{{ if regexMatch "PASSWORD|SECRET|TOKEN|ACCESS_KEY|CREDENTIAL" $name }}{{ fail (printf "settings.extra.%s: passwords belong into the Secret %s; a ConfigMap shows them" $name $v.secrets.name) }}{{ end }}{{ end -}}
{{- if eq $v.secrets.source "external" -}}
{{- if not $v.secrets.external.storeName }}{{ fail "secrets.external.storeName: name the store of External Secrets" }}{{ end -}}
{{- if not $v.secrets.external.key }}{{ fail "secrets.external.key: name the platform's secret in the store" }}{{ end -}}
{{- if and $v.mlflow.enabled (not $v.secrets.external.mlflowKey) }}{{ fail "secrets.external.mlflowKey: name MLflow's secret in the store" }}{{ end -}}
{{- end -}}
{{- if and $v.secrets.follow (eq $v.secrets.source "vault") }}{{ fail "secrets.follow: needs a Secret that changes in place; Vault's agent fills a pod once, when it starts. Choose secrets.source external" }}{{ end -}}
{{- if eq $v.secrets.source "vault" -}}
{{- if not $v.secrets.vault.role }}{{ fail "secrets.vault.role: name the role that pods sign in with" }}{{ end -}}
{{- if not $v.secrets.vault.path }}{{ fail "secrets.vault.path: name the platform's secret" }}{{ end -}}
{{- if and $v.mlflow.enabled (not $v.secrets.vault.mlflowPath) }}{{ fail "secrets.vault.mlflowPath: name MLflow's secret" }}{{ end -}}
{{- if or $v.postgresql.enabled $v.redis.enabled }}{{ fail "secrets.source: in-chart PostgreSQL and Redis take their passwords from a Secret, not from Vault's agent" }}{{ end -}}
{{- end -}}
{{- if and $v.gateway.create (not $v.gateway.className) }}{{ fail "gateway.className: name the GatewayClass" }}{{ end -}}
{{- if and $v.webserver.route.enabled (not $v.webserver.route.hostname) }}{{ fail "webserver.route.hostname: name the host" }}{{ end -}}
{{- if and (eq $v.serving.routes "istio") $v.gateway.create }}{{ fail "gateway.create: with serving.routes istio the gateway is Istio's own" }}{{ end -}}
{{- if and (eq $v.serving.routes "istio") (ne $v.serving.retries "none") }}{{ fail "serving.retries: Istio repeats by itself; leave it at none" }}{{ end -}}
{{- with $v.priorityClasses }}{{ if not (and (gt (int64 .control) (int64 .serving)) (gt (int64 .serving) (int64 .runsHigh)) (gt (int64 .runsHigh) (int64 .runsNormal)) (gt (int64 .runsNormal) (int64 .runsLow))) }}{{ fail "priorityClasses: control > serving > runsHigh > runsNormal > runsLow must hold, else runs take the daemon's seat" }}{{ end }}{{ end -}}
{{- if and $v.quota.enabled (not $v.priorityClasses.create) }}{{ fail "quota.enabled: the quota counts runs by their PriorityClass; turn priorityClasses.create on" }}{{ end -}}
{{- if and (eq $v.storage.scratch.kind "claim") (not $v.storage.scratch.storageClass) }}{{ fail "storage.scratch.storageClass: name the class of the scratch volumes" }}{{ end -}}
{{- if and (eq $v.environment "production") (not (hasPrefix "sha256:" $v.image.digest)) }}{{ fail "image.digest: production runs images by digest; a tag can be moved" }}{{ end -}}
{{- end -}}
