resource "random_password" "database" {
  length  = 32
  special = false # it stands in addresses
}

# PostgreSQL of Dagster, MLflow and the feature registry: a database each.
resource "azurerm_postgresql_flexible_server" "this" {
  name                          = "${var.name}-${random_string.suffix.result}"
  resource_group_name           = azurerm_resource_group.this.name
  location                      = azurerm_resource_group.this.location
  version                       = "17"
  sku_name                      = local.size.database.machine
  storage_mb                    = local.size.database.disk_gb * 1024
  auto_grow_enabled             = true
  administrator_login           = "dagster"
  administrator_password        = random_password.database.result
  delegated_subnet_id           = azurerm_subnet.database.id
  private_dns_zone_id           = azurerm_private_dns_zone.these["database"].id
  public_network_access_enabled = false
  backup_retention_days         = local.size.backup_days
  geo_redundant_backup_enabled  = local.size.protected
  zone                          = local.size.database.standby ? "1" : null
  tags                          = local.tags

  dynamic "high_availability" {
    for_each = local.size.database.standby ? ["2"] : []
    content {
      mode                      = "ZoneRedundant"
      standby_availability_zone = high_availability.value
    }
  }
  lifecycle {
    ignore_changes = [zone, high_availability[0].standby_availability_zone] # they change sides when the standby takes over
  }
  depends_on = [azurerm_private_dns_zone_virtual_network_link.these]
}

resource "azurerm_postgresql_flexible_server_database" "these" {
  for_each  = toset(["dagster", "mlflow", "feast"])
  name      = each.key
  server_id = azurerm_postgresql_flexible_server.this.id
}

# The online store: Redis, reached by an address of the network.
resource "azurerm_managed_redis" "this" {
  name                      = "${var.name}-${random_string.suffix.result}"
  resource_group_name       = azurerm_resource_group.this.name
  location                  = azurerm_resource_group.this.location
  sku_name                  = local.size.cache.machine
  high_availability_enabled = local.size.cache.standby
  public_network_access     = "Disabled"
  tags                      = local.tags

  default_database {
    access_keys_authentication_enabled = true
    client_protocol                    = "Encrypted"
    clustering_policy                  = "EnterpriseCluster" # one address, as a single server has
    eviction_policy                    = "NoEviction"
  }
}

resource "azurerm_private_endpoint" "cache" {
  name                = "${var.name}-cache"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  subnet_id           = azurerm_subnet.endpoints.id
  tags                = local.tags

  private_service_connection {
    name                           = "cache"
    private_connection_resource_id = azurerm_managed_redis.this.id
    subresource_names              = ["redisEnterprise"]
    is_manual_connection           = false
  }
  private_dns_zone_group {
    name                 = "cache"
    private_dns_zone_ids = [azurerm_private_dns_zone.these["cache"].id]
  }
}

# Event Hubs speaks Kafka's protocol: a hub is a topic.
resource "azurerm_eventhub_namespace" "this" {
  count                         = local.kafka ? 1 : 0
  name                          = "${var.name}-${random_string.suffix.result}"
  resource_group_name           = azurerm_resource_group.this.name
  location                      = azurerm_resource_group.this.location
  sku                           = "Standard"
  capacity                      = local.size.kafka.units
  auto_inflate_enabled          = true
  maximum_throughput_units      = local.size.kafka.units * 4
  minimum_tls_version           = "1.2"
  public_network_access_enabled = true # of the network below alone
  tags                          = local.tags

  network_rulesets {
    default_action                 = "Deny"
    trusted_service_access_enabled = true
    public_network_access_enabled  = true
    virtual_network_rule {
      subnet_id = azurerm_subnet.nodes.id
    }
  }
}

resource "azurerm_eventhub_namespace_authorization_rule" "this" {
  count               = local.kafka ? 1 : 0
  name                = "platform-assets"
  namespace_name      = azurerm_eventhub_namespace.this[0].name
  resource_group_name = azurerm_resource_group.this.name
  listen              = true
  send                = true
  manage              = false
}
