output "helm_values" {
  description = "Values of deploy/helm/platform-assets that follow from what was made here; images, addresses and the gateway are yours to add."
  value = yamlencode({
    environment = local.size.protected ? "production" : "dev"
    image       = { pullSecrets = [] } # nodes pull by their own identity
    webserver   = { replicas = local.size.protected ? 2 : 1 }
    mlflow      = { replicas = local.size.protected ? 2 : 1 }
    # No bucket is read: lake, artifacts and releases lie on shared volumes.
    settings = { lake = "", mlflowArtifacts = "" }
    secrets = {
      source = "external"
      external = {
        storeName = "cloud"
        key       = google_secret_manager_secret.these["platform"].secret_id
        mlflowKey = google_secret_manager_secret.these["mlflow"].secret_id
      }
    }
    database = { host = google_compute_address.database.address, port = 5432, user = "dagster", name = "dagster" }
    serving  = { releases = "", storePorts = local.store_ports }
    storage = {
      home          = { storageClass = "shared-files", size = "200Gi" }
      releases      = { storageClass = "shared-files", size = "200Gi" }
      predictionLog = { storageClass = "shared-files", size = "200Gi" }
      scratch       = { kind = "claim", storageClass = "premium-rwo" }
    }
    controlPlane  = { avoidSpot = true }
    networkPolicy = { egressPorts = concat([6443], local.store_ports) }
    quota         = { enabled = local.size.protected, gpus = sum([for group in values(local.nodes) : group.gpus * group.most]) }
  })
}

output "cluster_manifests" {
  description = "Objects of the cluster that the chart expects: the namespace, the class of shared volumes, the store of External Secrets."
  value = join("---\n", [for object in [
    { apiVersion = "v1", kind = "Namespace", metadata = { name = var.namespace } },
    {
      apiVersion   = "storage.k8s.io/v1"
      kind         = "StorageClass"
      metadata     = { name = "shared-files" }
      provisioner  = "nfs.csi.k8s.io" # the driver csi-driver-nfs
      parameters   = { server = google_filestore_instance.this.networks[0].ip_addresses[0], share = "/share", mountPermissions = "0770" }
      mountOptions = ["nfsvers=3"]
    },
    {
      apiVersion = "external-secrets.io/v1"
      kind       = "ClusterSecretStore"
      metadata   = { name = "cloud" }
      spec       = { provider = { gcpsm = { projectID = var.project } } }
    },
  ] : yamlencode(object)])
}

output "secrets_source" {
  description = "PLATFORM_ASSETS_SECRETS of a machine outside the cluster whose identity may read the platform's secret."
  value       = jsonencode({ kind = "gcp", project = var.project, document = google_secret_manager_secret.these["platform"].secret_id })
}

output "kubeconfig_command" {
  description = "Lets kubectl and helm at the cluster."
  value       = "gcloud container clusters get-credentials ${google_container_cluster.this.name} --project ${var.project} --location ${local.location}"
}

output "registry" {
  description = "Where images are pushed to: REGISTRY/platform and REGISTRY/serving."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.this.repository_id}"
}

output "bucket" {
  description = "The bucket for exports and copies of backups."
  value       = google_storage_bucket.this.url
}

output "kafka_brokers" {
  description = "Brokers for sources of kind kafka (SASL_SSL, PLAIN); empty without Kafka."
  value       = local.kafka ? local.kafka_brokers : ""
}

output "name_servers" {
  description = "Name servers that the domain's registrar has to point to; empty without a domain."
  value       = try(google_dns_managed_zone.this[0].name_servers, [])
}

locals {
  # 80 and 988: the metadata server that gives pods their identity.
  store_ports = concat([80, 443, 988, 4317, 4318, 5432, 6378], local.kafka ? [9092] : [])
}
