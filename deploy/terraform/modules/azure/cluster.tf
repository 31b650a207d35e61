resource "azurerm_log_analytics_workspace" "this" {
  name                = var.name
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  sku                 = "PerGB2018"
  retention_in_days   = local.size.log_days
  tags                = local.tags
}

# Of the control plane, and of the nodes, which pull images.
resource "azurerm_user_assigned_identity" "cluster" {
  for_each            = toset(["control", "nodes"])
  name                = "${var.name}-${each.key}"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  tags                = local.tags
}

# The cluster puts load balancers and shares into the network.
resource "azurerm_role_assignment" "cluster" {
  scope                = azurerm_virtual_network.this.id
  role_definition_name = "Network Contributor"
  principal_id         = azurerm_user_assigned_identity.cluster["control"].principal_id
}

resource "azurerm_role_assignment" "nodes" {
  scope                = azurerm_user_assigned_identity.cluster["nodes"].id
  role_definition_name = "Managed Identity Operator"
  principal_id         = azurerm_user_assigned_identity.cluster["control"].principal_id
}

resource "azurerm_kubernetes_cluster" "this" {
  name                              = var.name
  resource_group_name               = azurerm_resource_group.this.name
  location                          = azurerm_resource_group.this.location
  node_resource_group               = local.node_group
  dns_prefix                        = var.name
  kubernetes_version                = var.kubernetes_version
  automatic_upgrade_channel         = "patch"
  sku_tier                          = local.size.cluster_tier
  private_cluster_enabled           = length(var.api_cidrs) == 0
  local_account_disabled            = true
  role_based_access_control_enabled = true
  azure_policy_enabled              = true
  oidc_issuer_enabled               = true
  workload_identity_enabled         = true
  image_cleaner_enabled             = true
  image_cleaner_interval_hours      = 48
  tags                              = local.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.cluster["control"].id]
  }
  kubelet_identity {
    client_id                 = azurerm_user_assigned_identity.cluster["nodes"].client_id
    object_id                 = azurerm_user_assigned_identity.cluster["nodes"].principal_id
    user_assigned_identity_id = azurerm_user_assigned_identity.cluster["nodes"].id
  }
  azure_active_directory_role_based_access_control {
    azure_rbac_enabled = true
    tenant_id          = data.azurerm_client_config.this.tenant_id
  }
  dynamic "api_server_access_profile" {
    for_each = length(var.api_cidrs) > 0 ? [var.api_cidrs] : []
    content {
      authorized_ip_ranges = api_server_access_profile.value
    }
  }
  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_data_plane  = "cilium"
    network_policy      = "cilium" # the chart's NetworkPolicies count only where something enforces them
    outbound_type       = "userAssignedNATGateway"
    load_balancer_sku   = "standard"
  }
  default_node_pool {
    name                        = "general"
    vm_size                     = local.nodes.general.machine
    vnet_subnet_id              = azurerm_subnet.nodes.id
    zones                       = local.zones
    os_disk_size_gb             = local.nodes.general.disk_gb
    host_encryption_enabled     = local.size.protected # needs the feature EncryptionAtHost of the subscription
    auto_scaling_enabled        = true
    min_count                   = local.nodes.general.least
    max_count                   = local.nodes.general.most
    max_pods                    = 110
    temporary_name_for_rotation = "rotation"
    node_labels                 = { "platform-assets/node-class" = "general" }
    tags                        = local.tags
    upgrade_settings {
      max_surge = "33%"
    }
  }
  node_provisioning_profile {
    mode = "Manual" # the groups below, and their autoscaler
  }
  oms_agent {
    log_analytics_workspace_id      = azurerm_log_analytics_workspace.this.id
    msi_auth_for_monitoring_enabled = true
  }
  lifecycle {
    ignore_changes = [kubernetes_version] # the upgrade channel's
    precondition {
      condition     = contains(keys(local.nodes), "general") && !local.nodes.general.spot
      error_message = "node_classes: name one group general, not on spot: AKS runs its own pods there."
    }
  }
  depends_on = [azurerm_role_assignment.cluster, azurerm_role_assignment.nodes, azurerm_subnet_nat_gateway_association.nodes]
}

locals {
  node_group = "${var.name}-nodes"
  # AKS puts a taint of its own on nodes that are taken away; helm_values has it tolerated.
  spot_taint = "kubernetes.azure.com/scalesetpriority"
}

# One group for each entry of node_classes: labels and taints as `compute` of a use case means them.
resource "azurerm_kubernetes_cluster_node_pool" "these" {
  for_each                = { for name, group in local.nodes : name => group if name != "general" }
  name                    = replace(each.key, "-", "")
  kubernetes_cluster_id   = azurerm_kubernetes_cluster.this.id
  vm_size                 = each.value.machine
  vnet_subnet_id          = azurerm_subnet.nodes.id
  zones                   = each.value.gpus > 0 ? null : local.zones # not every zone has GPUs
  os_disk_size_gb         = each.value.disk_gb
  host_encryption_enabled = local.size.protected
  auto_scaling_enabled    = true
  min_count               = each.value.least
  max_count               = each.value.most
  max_pods                = 110
  priority                = each.value.spot ? "Spot" : "Regular"
  eviction_policy         = each.value.spot ? "Delete" : null
  spot_max_price          = each.value.spot ? -1 : null
  node_labels = merge(
    { "platform-assets/node-class" = each.value.class },
    each.value.spot ? { "platform-assets/spot" = "true", (local.spot_taint) = "spot" } : {},
  )
  node_taints = concat(
    contains(["general", "spot"], each.value.class) ? [] : ["platform-assets/node-class=${each.value.class}:NoSchedule"],
    each.value.spot ? ["platform-assets/spot=true:NoSchedule", "${local.spot_taint}=spot:NoSchedule"] : [],
  )
  tags = local.tags

  lifecycle {
    ignore_changes = [node_count] # the autoscaler's
  }
}
