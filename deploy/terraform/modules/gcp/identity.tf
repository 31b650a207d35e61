# Accounts of the cluster are principals of the project (Workload Identity): no key lies anywhere, and no annotation is needed.
locals {
  accounts = "principal://iam.googleapis.com/projects/${data.google_project.this.number}/locations/global/workloadIdentityPools/${google_container_cluster.this.workload_identity_config[0].workload_pool}/subject"
  # Service accounts of the chart that read and write the bucket.
  bucket_accounts = toset(["code-location", "runs", "serving", "mlflow"])
}

resource "google_storage_bucket_iam_member" "chart" {
  for_each = local.bucket_accounts
  bucket   = google_storage_bucket.this.name
  role     = "roles/storage.objectUser"
  member   = "${local.accounts}/ns/${var.namespace}/sa/platform-assets-${each.key}"
}

resource "google_secret_manager_secret_iam_member" "external_secrets" {
  for_each  = google_secret_manager_secret.these
  project   = var.project
  secret_id = each.value.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = "${local.accounts}/ns/external-secrets/sa/external-secrets"
}

resource "google_dns_managed_zone_iam_member" "controllers" {
  for_each     = var.domain == "" ? {} : { cert-manager = "cert-manager", external-dns = "external-dns" }
  project      = var.project
  managed_zone = google_dns_managed_zone.this[0].name
  role         = "roles/dns.admin"
  member       = "${local.accounts}/ns/${each.key}/sa/${each.value}"
}
