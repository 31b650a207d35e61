# Exports, documents and copies of backups. The platform reads folders and s3:// addresses: lake and releases lie on shared volumes here.
resource "azurerm_storage_account" "this" {
  name                            = "${substr(replace(var.name, "-", ""), 0, 18)}${random_string.suffix.result}"
  resource_group_name             = azurerm_resource_group.this.name
  location                        = azurerm_resource_group.this.location
  account_tier                    = "Standard"
  account_replication_type        = local.size.protected ? "ZRS" : "LRS"
  min_tls_version                 = "TLS1_2"
  https_traffic_only_enabled      = true
  shared_access_key_enabled       = false
  allow_nested_items_to_be_public = false
  default_to_oauth_authentication = true
  tags                            = local.tags

  blob_properties {
    versioning_enabled = true
    delete_retention_policy {
      days = local.size.backup_days
    }
    container_delete_retention_policy {
      days = local.size.backup_days
    }
  }
  network_rules {
    default_action             = "Deny"
    bypass                     = ["AzureServices"]
    ip_rules                   = var.api_cidrs
    virtual_network_subnet_ids = [azurerm_subnet.nodes.id]
  }
}

resource "azurerm_storage_container" "this" {
  name                  = "platform-assets"
  storage_account_id    = azurerm_storage_account.this.id
  container_access_type = "private"
}

resource "azurerm_storage_management_policy" "this" {
  storage_account_id = azurerm_storage_account.this.id

  rule {
    name    = "replaced"
    enabled = true
    filters {
      blob_types = ["blockBlob"]
    }
    actions {
      version {
        delete_after_days_since_creation = local.size.protected ? 30 : 1
      }
    }
  }
  rule {
    name    = "backups"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["platform-assets/backups/"]
    }
    actions {
      base_blob {
        tier_to_cool_after_days_since_modification_greater_than = 30
      }
    }
  }
}

resource "azurerm_container_registry" "this" {
  name                          = "${substr(replace(var.name, "-", ""), 0, 40)}${random_string.suffix.result}"
  resource_group_name           = azurerm_resource_group.this.name
  location                      = azurerm_resource_group.this.location
  sku                           = local.size.registry
  admin_enabled                 = false
  anonymous_pull_enabled        = false
  zone_redundancy_enabled       = local.size.registry == "Premium"
  retention_policy_in_days      = local.size.registry == "Premium" ? 30 : null
  public_network_access_enabled = true
  tags                          = local.tags
}

resource "azurerm_role_assignment" "pull" {
  scope                = azurerm_container_registry.this.id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_user_assigned_identity.cluster["nodes"].principal_id
}
