locals {
  size  = yamldecode(file("${path.module}/sizes.yaml"))[var.size]
  nodes = var.node_classes != null ? var.node_classes : { for name, group in local.size.nodes : name => merge({ gpus = 0, spot = false }, group) }
  kafka = coalesce(var.kafka, local.size.kafka.enabled)
  tags  = { project = var.name, size = var.size, managed-by = "terraform" }
}
