# Exports, documents and copies of backups. The platform reads folders and s3:// addresses: lake and releases lie on shared volumes here.
resource "google_storage_bucket" "this" {
  project                     = var.project
  name                        = "${var.name}-${random_string.suffix.result}"
  location                    = var.region
  storage_class               = "STANDARD"
  force_destroy               = !local.size.protected
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  labels                      = local.labels

  versioning {
    enabled = true
  }
  soft_delete_policy {
    retention_duration_seconds = local.size.protected ? 604800 : 0
  }
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      with_state                 = "ARCHIVED"
      days_since_noncurrent_time = local.size.protected ? 30 : 1
    }
  }
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 2
    }
  }
  lifecycle_rule {
    action {
      type          = "SetStorageClass"
      storage_class = "NEARLINE"
    }
    condition {
      age            = 30
      matches_prefix = ["backups/"]
    }
  }
}

# ReadWriteMany volumes of the chart: folders of one share, since each instance is a tebibyte at least.
resource "google_filestore_instance" "this" {
  project                     = var.project
  name                        = var.name
  location                    = var.zone
  tier                        = "BASIC_HDD"
  deletion_protection_enabled = local.size.protected
  deletion_protection_reason  = local.size.protected ? "lake, models and prediction log" : null
  labels                      = local.labels
  depends_on                  = [google_project_service.these]

  file_shares {
    name        = "share"
    capacity_gb = local.size.files_gb
  }
  networks {
    network      = google_compute_network.this.name
    modes        = ["MODE_IPV4"]
    connect_mode = "DIRECT_PEERING"
  }
}

resource "google_artifact_registry_repository" "this" {
  project       = var.project
  location      = var.region
  repository_id = var.name
  format        = "DOCKER"
  description   = "Images of the platform and of services; a tag never moves"
  labels        = local.labels

  docker_config {
    immutable_tags = true
  }
  cleanup_policies {
    id     = "untagged"
    action = "DELETE"
    condition {
      tag_state  = "UNTAGGED"
      older_than = "2592000s"
    }
  }
  depends_on = [google_project_service.these]
}
