# Identities of controllers (Workload Identity: an account of a namespace is an identity, and no key lies anywhere).
locals {
  controllers = {
    external-secrets = { namespace = "external-secrets", account = "external-secrets", role = "Key Vault Secrets User", scope = azurerm_key_vault.this.id }
    cert-manager     = { namespace = "cert-manager", account = "cert-manager", role = "DNS Zone Contributor", scope = one(azurerm_dns_zone.this[*].id) }
    external-dns     = { namespace = "external-dns", account = "external-dns", role = "DNS Zone Contributor", scope = one(azurerm_dns_zone.this[*].id) }
  }
  bound = { for name, controller in local.controllers : name => controller if name == "external-secrets" || var.domain != "" }
}

resource "azurerm_user_assigned_identity" "controllers" {
  for_each            = local.bound
  name                = "${var.name}-${each.key}"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  tags                = local.tags
}

resource "azurerm_federated_identity_credential" "controllers" {
  for_each                  = local.bound
  name                      = each.key
  user_assigned_identity_id = azurerm_user_assigned_identity.controllers[each.key].id
  issuer                    = azurerm_kubernetes_cluster.this.oidc_issuer_url
  subject                   = "system:serviceaccount:${each.value.namespace}:${each.value.account}"
  audience                  = ["api://AzureADTokenExchange"]
}

resource "azurerm_role_assignment" "controllers" {
  for_each             = local.bound
  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = azurerm_user_assigned_identity.controllers[each.key].principal_id
}

# Whoever runs Terraform may look after the cluster; local accounts are off.
resource "azurerm_role_assignment" "administrator" {
  scope                = azurerm_kubernetes_cluster.this.id
  role_definition_name = "Azure Kubernetes Service RBAC Cluster Admin"
  principal_id         = data.azurerm_client_config.this.object_id
}
