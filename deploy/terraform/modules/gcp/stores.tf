resource "random_password" "database" {
  length  = 32
  special = false # it stands in addresses
}

# PostgreSQL of Dagster, MLflow and the feature registry: a database each.
resource "google_sql_database_instance" "this" {
  project             = var.project
  name                = "${var.name}-${random_string.suffix.result}" # a name is not free again for a week
  region              = var.region
  database_version    = "POSTGRES_17"
  deletion_protection = local.size.protected
  depends_on          = [google_project_service.these]

  settings {
    tier                        = local.size.database.machine
    edition                     = "ENTERPRISE"
    availability_type           = local.size.database.standby ? "REGIONAL" : "ZONAL"
    disk_type                   = "PD_SSD"
    disk_size                   = local.size.database.disk_gb
    disk_autoresize             = true
    deletion_protection_enabled = local.size.protected
    user_labels                 = local.labels

    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
      backup_retention_settings {
        retained_backups = local.size.backups
      }
    }
    ip_configuration {
      ipv4_enabled = false
      ssl_mode     = "ENCRYPTED_ONLY"
      psc_config {
        psc_enabled               = true
        allowed_consumer_projects = [var.project]
      }
    }
    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }
    database_flags {
      name  = "log_connections"
      value = "on"
    }
    database_flags {
      name  = "log_disconnections"
      value = "on"
    }
    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }
    database_flags {
      name  = "log_temp_files"
      value = "0"
    }
    database_flags {
      name  = "log_hostname"
      value = "on"
    }
    database_flags {
      name  = "log_duration"
      value = "on"
    }
    database_flags {
      name  = "log_statement"
      value = "ddl" # no values of rows
    }
    database_flags {
      name  = "log_min_error_statement"
      value = "error"
    }
    database_flags {
      name  = "log_min_duration_statement"
      value = "-1" # statements hold values
    }
    database_flags {
      name  = "cloudsql.enable_pgaudit"
      value = "on"
    }
  }
}

resource "google_sql_database" "these" {
  for_each        = toset(["dagster", "mlflow", "feast"])
  project         = var.project
  name            = each.key
  instance        = google_sql_database_instance.this.name
  deletion_policy = "ABANDON" # it goes with its instance, also while somebody is connected
}

resource "google_sql_user" "dagster" {
  project         = var.project
  name            = "dagster"
  instance        = google_sql_database_instance.this.name
  password        = random_password.database.result
  deletion_policy = "ABANDON"
}

# The online store.
resource "google_redis_instance" "this" {
  project                 = var.project
  name                    = var.name
  region                  = var.region
  tier                    = local.size.cache.tier
  memory_size_gb          = local.size.cache.memory_gb
  redis_version           = "REDIS_7_2"
  authorized_network      = google_compute_network.this.id
  connect_mode            = "DIRECT_PEERING"
  auth_enabled            = true
  transit_encryption_mode = "SERVER_AUTHENTICATION"
  deletion_protection     = local.size.protected
  labels                  = local.labels
  depends_on              = [google_project_service.these]
}

resource "google_managed_kafka_cluster" "this" {
  count      = local.kafka ? 1 : 0
  project    = var.project
  location   = var.region
  cluster_id = var.name
  labels     = local.labels
  depends_on = [google_project_service.these]

  capacity_config {
    vcpu_count   = local.size.kafka.cpus
    memory_bytes = local.size.kafka.cpus * 4 * pow(1024, 3)
  }
  gcp_config {
    access_config {
      network_configs {
        subnet = google_compute_subnetwork.nodes.id
      }
    }
  }
}

# Clients sign in with a key of this account: the platform's Kafka client knows no token of the cluster's.
resource "google_service_account" "kafka" {
  count        = local.kafka ? 1 : 0
  project      = var.project
  account_id   = "${var.name}-kafka"
  display_name = "Kafka clients of ${var.name}"
}

resource "google_project_iam_member" "kafka" {
  count   = local.kafka ? 1 : 0
  project = var.project
  role    = "roles/managedkafka.client"
  member  = google_service_account.kafka[0].member
}

resource "google_service_account_key" "kafka" {
  count              = local.kafka ? 1 : 0
  service_account_id = google_service_account.kafka[0].name
}
