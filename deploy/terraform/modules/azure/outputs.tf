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
        key       = azurerm_key_vault_secret.these["platform"].name
        mlflowKey = azurerm_key_vault_secret.these["mlflow"].name
      }
    }
    database = { host = azurerm_postgresql_flexible_server.this.fqdn, port = 5432, user = "dagster", name = "dagster" }
    serving = {
      releases   = ""
      storePorts = local.store_ports
      nodeClasses = { spot = {
        labels      = { "platform-assets/spot" = "true" }
        tolerations = [for key in ["platform-assets/spot", local.spot_taint] : { key = key, effect = "NoSchedule" }]
      } }
    }
    runs = { tolerations = [{ key = local.spot_taint, operator = "Exists", effect = "NoSchedule" }] }
    storage = {
      home          = { storageClass = "shared-files", size = "100Gi" }
      releases      = { storageClass = "shared-files", size = "100Gi" }
      predictionLog = { storageClass = "shared-files", size = "100Gi" }
      scratch       = { kind = "claim", storageClass = "managed-csi-premium" }
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
      apiVersion  = "storage.k8s.io/v1"
      kind        = "StorageClass"
      metadata    = { name = "shared-files" }
      provisioner = "file.csi.azure.com"
      parameters  = { protocol = "nfs", skuName = local.size.protected ? "Premium_ZRS" : "Premium_LRS" }
    },
    {
      apiVersion = "external-secrets.io/v1"
      kind       = "ClusterSecretStore"
      metadata   = { name = "cloud" }
      spec = { provider = { azurekv = {
        authType          = "WorkloadIdentity"
        vaultUrl          = azurerm_key_vault.this.vault_uri
        serviceAccountRef = { name = "external-secrets", namespace = "external-secrets" }
      } } }
    },
  ] : yamlencode(object)])
}

output "secrets_source" {
  description = "PLATFORM_ASSETS_SECRETS of a machine outside the cluster whose identity may read the platform's secret."
  value       = jsonencode({ kind = "azure", vault = azurerm_key_vault.this.vault_uri, document = azurerm_key_vault_secret.these["platform"].name })
}

output "kubeconfig_command" {
  description = "Lets kubectl and helm at the cluster."
  value       = "az aks get-credentials --resource-group ${azurerm_resource_group.this.name} --name ${azurerm_kubernetes_cluster.this.name}"
}

output "registry" {
  description = "Where images are pushed to: REGISTRY/platform and REGISTRY/serving."
  value       = azurerm_container_registry.this.login_server
}

output "bucket" {
  description = "The container for exports and copies of backups."
  value       = "${azurerm_storage_account.this.primary_blob_endpoint}${azurerm_storage_container.this.name}"
}

output "identities" {
  description = "Client identities that accounts of controllers name in the annotation azure.workload.identity/client-id."
  value       = { for name, identity in azurerm_user_assigned_identity.controllers : name => identity.client_id }
}

output "kafka_brokers" {
  description = "Brokers for sources of kind kafka (SASL_SSL, PLAIN); empty without Kafka."
  value       = local.kafka ? "${azurerm_eventhub_namespace.this[0].name}.servicebus.windows.net:9093" : ""
}

output "name_servers" {
  description = "Name servers that the domain's registrar has to point to; empty without a domain."
  value       = try(tolist(azurerm_dns_zone.this[0].name_servers), [])
}

locals {
  store_ports = concat([443, 4317, 4318, 5432, 10000], local.kafka ? [9093] : [])
}
