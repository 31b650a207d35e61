resource "google_service_account" "nodes" {
  project      = var.project
  account_id   = "${var.name}-nodes"
  display_name = "Nodes of ${var.name}"
}

resource "google_project_iam_member" "nodes" {
  for_each = toset(["roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader"])
  project  = var.project
  role     = each.key
  member   = google_service_account.nodes.member
}

resource "google_container_cluster" "this" {
  project                  = var.project
  name                     = var.name
  location                 = local.location
  network                  = google_compute_network.this.id
  subnetwork               = google_compute_subnetwork.nodes.id
  initial_node_count       = 1
  remove_default_node_pool = true
  deletion_protection      = local.size.protected
  enable_shielded_nodes    = true
  datapath_provider        = "ADVANCED_DATAPATH" # the chart's NetworkPolicies count only where something enforces them
  networking_mode          = "VPC_NATIVE"
  resource_labels          = local.labels

  release_channel {
    channel = var.release_channel
  }
  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }
  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = length(var.api_cidrs) == 0
  }
  master_authorized_networks_config {
    dynamic "cidr_blocks" {
      for_each = length(var.api_cidrs) == 0 ? [var.network] : var.api_cidrs
      content {
        cidr_block = cidr_blocks.value
      }
    }
  }
  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }
  workload_identity_config {
    workload_pool = "${var.project}.svc.id.goog"
  }
  gateway_api_config {
    channel = "CHANNEL_STANDARD"
  }
  addons_config {
    gce_persistent_disk_csi_driver_config {
      enabled = true
    }
  }
  logging_config {
    enable_components = ["SYSTEM_COMPONENTS", "WORKLOADS"]
  }
  monitoring_config {
    enable_components = ["SYSTEM_COMPONENTS"]
    managed_prometheus {
      enabled = true
    }
  }
  cost_management_config {
    enabled = true
  }
  security_posture_config {
    mode               = "BASIC"
    vulnerability_mode = "VULNERABILITY_DISABLED"
  }
  # The pool that is removed again is made with the nodes' own account too.
  node_config {
    service_account = google_service_account.nodes.email
    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
    workload_metadata_config {
      mode = "GKE_METADATA"
    }
  }
  lifecycle {
    ignore_changes = [node_config, initial_node_count]
  }
  depends_on = [google_project_iam_member.nodes, google_compute_router_nat.this]
}

# One group for each entry of node_classes: labels and taints as `compute` of a use case means them.
resource "google_container_node_pool" "these" {
  for_each       = local.nodes
  project        = var.project
  name           = each.key
  cluster        = google_container_cluster.this.id
  node_locations = [var.zone] # `least` and `most` count for each zone, and not every zone has GPUs

  autoscaling {
    total_min_node_count = each.value.least
    total_max_node_count = each.value.most
    location_policy      = each.value.spot ? "ANY" : "BALANCED"
  }
  management {
    auto_repair  = true
    auto_upgrade = true
  }
  node_config {
    machine_type    = each.value.machine
    spot            = each.value.spot
    disk_type       = each.value.gpus > 0 ? "pd-balanced" : "pd-standard"
    disk_size_gb    = each.value.disk_gb
    image_type      = "COS_CONTAINERD"
    service_account = google_service_account.nodes.email
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    metadata        = { disable-legacy-endpoints = "true" }
    resource_labels = local.labels
    labels = merge(
      { "platform-assets/node-class" = each.value.class },
      each.value.spot ? { "platform-assets/spot" = "true" } : {},
    )
    dynamic "taint" {
      for_each = merge(
        contains(["general", "spot"], each.value.class) ? {} : { "platform-assets/node-class" = each.value.class },
        each.value.spot ? { "platform-assets/spot" = "true" } : {},
      )
      content {
        key    = taint.key
        value  = taint.value
        effect = "NO_SCHEDULE"
      }
    }
    dynamic "guest_accelerator" {
      for_each = each.value.gpus > 0 ? [each.value] : []
      content {
        type  = guest_accelerator.value.gpu
        count = guest_accelerator.value.gpus
        gpu_driver_installation_config {
          gpu_driver_version = "LATEST"
        }
      }
    }
    shielded_instance_config {
      enable_secure_boot          = each.value.gpus == 0 # the driver's modules are not signed
      enable_integrity_monitoring = true
    }
    workload_metadata_config {
      mode = "GKE_METADATA"
    }
  }
}
