data "azurerm_client_config" "this" {}

# What External Secrets brings into the cluster: one secret for each Secret of the chart, its keys named as the chart reads them.
locals {
  postgresql = "postgresql+psycopg2://dagster:${random_password.database.result}@${azurerm_postgresql_flexible_server.this.fqdn}:5432"
  online_store = jsonencode({
    type              = "redis"
    connection_string = "${azurerm_managed_redis.this.hostname}:10000,password=${azurerm_managed_redis.this.default_database[0].primary_access_key},ssl=true"
  })
  kafka_client = local.kafka ? jsonencode({
    "bootstrap.servers" = "${azurerm_eventhub_namespace.this[0].name}.servicebus.windows.net:9093"
    "security.protocol" = "SASL_SSL"
    "sasl.mechanism"    = "PLAIN"
    "sasl.username"     = "$ConnectionString"
    "sasl.password"     = azurerm_eventhub_namespace_authorization_rule.this[0].primary_connection_string
  }) : ""
  secrets = {
    platform = merge(
      {
        DAGSTER_PG_PASSWORD                = random_password.database.result
        PLATFORM_ASSETS_FEAST_REGISTRY     = "${local.postgresql}/feast?sslmode=require"
        PLATFORM_ASSETS_FEAST_ONLINE_STORE = local.online_store
      },
      local.kafka ? { KAFKA = local.kafka_client } : {}, # a source says `brokers: KAFKA`
    )
    mlflow = {
      MLFLOW_BACKEND_STORE_URI = "${local.postgresql}/mlflow?sslmode=require"
    }
  }
}

resource "azurerm_key_vault" "this" {
  name                       = "${substr(var.name, 0, 16)}-${random_string.suffix.result}"
  resource_group_name        = azurerm_resource_group.this.name
  location                   = azurerm_resource_group.this.location
  tenant_id                  = data.azurerm_client_config.this.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
  purge_protection_enabled   = local.size.protected
  soft_delete_retention_days = local.size.protected ? 90 : 7
  tags                       = local.tags

  network_acls {
    default_action             = "Deny"
    bypass                     = "AzureServices"
    ip_rules                   = var.api_cidrs # who runs Terraform writes secrets from there
    virtual_network_subnet_ids = [azurerm_subnet.nodes.id]
  }
}

resource "azurerm_role_assignment" "writer" {
  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Secrets Officer"
  principal_id         = data.azurerm_client_config.this.object_id
}

resource "azurerm_key_vault_secret" "these" {
  for_each        = toset(["platform", "mlflow"])
  name            = "${var.name}-${each.key}"
  value           = jsonencode(local.secrets[each.key])
  content_type    = "application/json"
  key_vault_id    = azurerm_key_vault.this.id
  expiration_date = timeadd(plantimestamp(), "8760h") # a year: rotation is due before
  tags            = local.tags
  depends_on      = [azurerm_role_assignment.writer]

  lifecycle {
    ignore_changes = [expiration_date]
  }
}
