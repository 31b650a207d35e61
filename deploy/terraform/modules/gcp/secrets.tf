# What External Secrets brings into the cluster: one secret for each Secret of the chart, its keys named as the chart reads them.
locals {
  postgresql = "postgresql+psycopg2://dagster:${random_password.database.result}@${google_compute_address.database.address}:5432"
  online_store = jsonencode({
    type = "redis"
    # Encrypted; the instance's own authority is not checked, since no file of it lies in the pods. The network is private.
    connection_string = "${google_redis_instance.this.host}:${google_redis_instance.this.port},password=${google_redis_instance.this.auth_string},ssl=true,ssl_cert_reqs=none"
  })
  kafka_brokers = "bootstrap.${var.name}.${var.region}.managedkafka.${var.project}.cloud.goog:9092"
  kafka_client = local.kafka ? jsonencode({
    "bootstrap.servers" = local.kafka_brokers
    "security.protocol" = "SASL_SSL"
    "sasl.mechanism"    = "PLAIN"
    "sasl.username"     = google_service_account.kafka[0].email
    "sasl.password"     = google_service_account_key.kafka[0].private_key
  }) : ""
  secrets = {
    platform = merge(
      {
        DAGSTER_PG_PASSWORD                = random_password.database.result
        PLATFORM_ASSETS_FEAST_REGISTRY     = "${local.postgresql}/feast?sslmode=require"
        PLATFORM_ASSETS_FEAST_ONLINE_STORE = local.online_store
      },
      local.kafka ? { KAFKA = local.kafka_client } : {}, # a source says `brokers: KAFKA`
    )
    mlflow = {
      MLFLOW_BACKEND_STORE_URI = "${local.postgresql}/mlflow?sslmode=require"
    }
  }
}

resource "google_secret_manager_secret" "these" {
  for_each            = toset(["platform", "mlflow"])
  project             = var.project
  secret_id           = "${var.name}-${each.key}"
  deletion_protection = local.size.protected
  labels              = local.labels
  depends_on          = [google_project_service.these]

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

resource "google_secret_manager_secret_version" "these" {
  for_each    = google_secret_manager_secret.these
  secret      = each.value.id
  secret_data = jsonencode(local.secrets[each.key])
}
