# terraform test: no account is needed, the provider's answers are made up; its schema is the real one.
mock_provider "azurerm" {
  mock_data "azurerm_client_config" {
    defaults = { tenant_id = "00000000-0000-0000-0000-000000000001", object_id = "00000000-0000-0000-0000-000000000002" }
  }
  mock_data "azurerm_subscription" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000" }
  }
  mock_resource "azurerm_postgresql_flexible_server" {
    defaults = { fqdn = "platform-assets.private.postgres.example" }
  }
  mock_resource "azurerm_key_vault" {
    defaults = { vault_uri = "https://platform-assets.vault.example/" }
  }
  mock_resource "azurerm_managed_redis" {
    defaults = { hostname = "platform-assets.redis.example" }
  }
  mock_resource "azurerm_storage_account" {
    defaults = { primary_blob_endpoint = "https://platformassets.blob.example/" }
  }
  mock_resource "azurerm_container_registry" {
    defaults = { login_server = "platformassets.registry.example" }
  }
  mock_resource "azurerm_kubernetes_cluster" {
    defaults = { oidc_issuer_url = "https://issuer.example/" }
  }
}

mock_provider "random" {}

variables {
  region         = "westeurope"
  monthly_budget = 500
  alert_emails   = ["platform@example.com"]
}

run "small" {
  variables {
    size = "small"
  }
  assert {
    condition = alltrue([
      !azurerm_key_vault.this.purge_protection_enabled,
      azurerm_key_vault.this.soft_delete_retention_days == 7,
      length(azurerm_management_lock.this) == 0,
      !azurerm_postgresql_flexible_server.this.geo_redundant_backup_enabled,
    ])
    error_message = "`terraform destroy` of a small installation is refused, or leaves something."
  }
  assert {
    condition     = azurerm_kubernetes_cluster.this.private_cluster_enabled && azurerm_kubernetes_cluster.this.local_account_disabled && length(azurerm_eventhub_namespace.this) == 0
    error_message = "Without api_cidrs nobody reaches the API from outside, and the small size has no Kafka."
  }
  assert {
    condition     = azurerm_kubernetes_cluster_node_pool.these["gpu"].node_labels["platform-assets/node-class"] == "gpu" && azurerm_kubernetes_cluster_node_pool.these["gpu"].node_taints == tolist(["platform-assets/node-class=gpu:NoSchedule"])
    error_message = "`node_class: gpu` finds its nodes by label, and others stay off them by a taint of that name."
  }
  assert {
    condition     = azurerm_kubernetes_cluster_node_pool.these["spot"].node_labels["platform-assets/spot"] == "true" && contains(azurerm_kubernetes_cluster_node_pool.these["spot"].node_taints, "platform-assets/spot=true:NoSchedule") && !contains(keys(azurerm_kubernetes_cluster_node_pool.these), "general")
    error_message = "`spot: true` finds nodes by label and taint; general nodes are the cluster's own group."
  }
}

run "production" {
  variables {
    size      = "production"
    api_cidrs = ["192.0.2.0/24"]
    domain    = "ml.example.com"
  }
  assert {
    condition     = azurerm_key_vault.this.purge_protection_enabled && length(azurerm_management_lock.this) == 1
    error_message = "Production is protected against `terraform destroy`."
  }
  assert {
    condition     = azurerm_postgresql_flexible_server.this.high_availability[0].mode == "ZoneRedundant" && azurerm_managed_redis.this.high_availability_enabled && length(azurerm_kubernetes_cluster.this.default_node_pool[0].zones) == 3
    error_message = "Production outlives the loss of a zone."
  }
  assert {
    condition     = length(azurerm_kubernetes_cluster_node_pool.these["gpu-spot"].node_taints) == 3 && azurerm_kubernetes_cluster_node_pool.these["gpu-spot"].priority == "Spot" && azurerm_kubernetes_cluster_node_pool.these["gpu-spot"].name == "gpuspot"
    error_message = "GPUs on spot have both taints, and the cloud's own."
  }
  assert {
    condition     = strcontains(nonsensitive(azurerm_key_vault_secret.these["platform"].value), "servicebus") && length(azurerm_consumption_budget_subscription.month.notification) == 4 && length(azurerm_federated_identity_credential.controllers) == 3
    error_message = "A source's Kafka client comes with the secret; the budget alerts four times; each controller has its identity."
  }
}

run "general_on_spot" {
  command = plan
  variables {
    size         = "small"
    node_classes = { general = { class = "general", machine = "Standard_D2s_v5", least = 1, most = 2, spot = true } }
  }
  expect_failures = [azurerm_kubernetes_cluster.this]
}

run "everybody_at_the_api" {
  command = plan
  variables {
    size      = "small"
    api_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.api_cidrs]
}
