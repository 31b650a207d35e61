# terraform test: no account is needed, the provider's answers are made up; its schema is the real one.
mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
  mock_resource "google_container_cluster" {
    defaults = { id = "projects/made-up/locations/europe-west4/clusters/platform-assets" }
  }
  mock_resource "google_compute_address" {
    defaults = { address = "10.60.0.5" }
  }
  mock_resource "google_filestore_instance" {
    defaults = { networks = { ip_addresses = ["10.60.2.2"] } }
  }
  mock_resource "google_redis_instance" {
    defaults = { host = "10.60.1.3", port = 6378 }
  }
  mock_resource "google_storage_bucket" {
    defaults = { url = "gs://platform-assets-made-up" }
  }
}

mock_provider "random" {}

variables {
  project         = "made-up"
  billing_account = "012345-678901-ABCDEF"
  region          = "europe-west4"
  zone            = "europe-west4-a"
  monthly_budget  = 500
  alert_emails    = ["platform@example.com"]
}

run "small" {
  variables {
    size = "small"
  }
  assert {
    condition = alltrue([
      !google_container_cluster.this.deletion_protection,
      !google_sql_database_instance.this.deletion_protection,
      !google_sql_database_instance.this.settings[0].deletion_protection_enabled,
      google_storage_bucket.this.force_destroy,
      google_storage_bucket.this.soft_delete_policy[0].retention_duration_seconds == 0,
      !google_redis_instance.this.deletion_protection,
      !google_filestore_instance.this.deletion_protection_enabled,
      alltrue([for one in google_secret_manager_secret.these : !one.deletion_protection]),
    ])
    error_message = "`terraform destroy` of a small installation is refused, or leaves something."
  }
  assert {
    condition     = google_container_cluster.this.private_cluster_config[0].enable_private_endpoint && google_container_cluster.this.location == "europe-west4-a" && length(google_managed_kafka_cluster.this) == 0
    error_message = "Without api_cidrs nobody reaches the API from outside; the small size is zonal and has no Kafka."
  }
  assert {
    condition     = google_container_node_pool.these["gpu"].node_config[0].labels["platform-assets/node-class"] == "gpu" && one([for taint in google_container_node_pool.these["gpu"].node_config[0].taint : taint.value]) == "gpu" && google_container_node_pool.these["gpu"].node_config[0].guest_accelerator[0].type == "nvidia-l4"
    error_message = "`node_class: gpu` finds its nodes by label, and others stay off them by a taint of that name."
  }
  assert {
    condition     = google_container_node_pool.these["spot"].node_config[0].labels["platform-assets/spot"] == "true" && one([for taint in google_container_node_pool.these["spot"].node_config[0].taint : taint.key]) == "platform-assets/spot" && length(google_container_node_pool.these["general"].node_config[0].taint) == 0
    error_message = "`spot: true` finds nodes by label and taint; general nodes take everybody."
  }
}

run "production" {
  variables {
    size      = "production"
    api_cidrs = ["192.0.2.0/24"]
    domain    = "ml.example.com"
  }
  assert {
    condition = alltrue([
      google_container_cluster.this.deletion_protection,
      google_sql_database_instance.this.deletion_protection,
      !google_storage_bucket.this.force_destroy,
      alltrue([for one in google_secret_manager_secret.these : one.deletion_protection]),
    ])
    error_message = "Production is protected against `terraform destroy`."
  }
  assert {
    condition     = google_sql_database_instance.this.settings[0].availability_type == "REGIONAL" && google_redis_instance.this.tier == "STANDARD_HA" && google_container_cluster.this.location == "europe-west4"
    error_message = "Production outlives the loss of a zone, but for its nodes."
  }
  assert {
    condition     = google_container_node_pool.these["gpu-spot"].node_config[0].spot && join(" ", sort([for taint in google_container_node_pool.these["gpu-spot"].node_config[0].taint : taint.key])) == "platform-assets/node-class platform-assets/spot"
    error_message = "GPUs on spot have both taints."
  }
  assert {
    condition     = strcontains(nonsensitive(google_secret_manager_secret_version.these["platform"].secret_data), "managedkafka") && length(google_billing_budget.month.threshold_rules) == 4 && length(google_dns_managed_zone_iam_member.controllers) == 2
    error_message = "A source's Kafka client comes with the secret; the budget alerts four times; controllers may change the zone."
  }
}

run "everybody_at_the_api" {
  command = plan
  variables {
    size      = "small"
    api_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.api_cidrs]
}
