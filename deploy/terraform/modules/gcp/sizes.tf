locals {
  size   = yamldecode(file("${path.module}/sizes.yaml"))[var.size]
  nodes  = var.node_classes != null ? var.node_classes : { for name, group in local.size.nodes : name => merge({ gpus = 0, gpu = "", spot = false }, group) }
  kafka  = coalesce(var.kafka, local.size.kafka.enabled)
  labels = { project = var.name, size = var.size, managed-by = "terraform" }
  # A zonal cluster costs no fee for its control plane, and stands still while its zone does.
  location = local.size.protected ? var.region : var.zone
}

# Names of buckets are taken by everybody in the cloud.
resource "random_string" "suffix" {
  length  = 6
  upper   = false
  special = false
}

data "google_project" "this" {
  project_id = var.project
}

# They stay on when all is destroyed, and cost nothing.
resource "google_project_service" "these" {
  for_each = toset(concat([
    "artifactregistry", "billingbudgets", "cloudresourcemanager", "compute", "container", "dns", "file", "iam", "monitoring", "redis", "secretmanager", "sqladmin",
  ], local.kafka ? ["managedkafka"] : []))
  project            = var.project
  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false
}
