locals {
  size  = yamldecode(file("${path.module}/sizes.yaml"))[var.size]
  nodes = var.node_classes != null ? var.node_classes : { for name, group in local.size.nodes : name => merge({ gpus = 0, spot = false }, group) }
  kafka = coalesce(var.kafka, local.size.kafka.enabled)
  tags  = { project = var.name, size = var.size, managed-by = "terraform" }
  zones = local.size.zones > 1 ? [for zone in range(1, local.size.zones + 1) : tostring(zone)] : null
}

# Names of storage, vaults, registries and databases are taken by everybody in the cloud.
resource "random_string" "suffix" {
  length  = 6
  upper   = false
  special = false
}
