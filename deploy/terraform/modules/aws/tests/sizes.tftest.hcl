# terraform test: no account is needed, the provider's answers are made up; its schema is the real one.
mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { bucket = "platform-assets-20260101", arn = "arn:aws:s3:::platform-assets-20260101" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/made-up" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/made-up" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:made-up" }
  }
  mock_resource "aws_db_instance" {
    defaults = { address = "platform-assets.abc.eu-central-1.rds.example" }
  }
  mock_resource "aws_elasticache_replication_group" {
    defaults = { primary_endpoint_address = "platform-assets.abc.cache.example" }
  }
  mock_resource "aws_msk_cluster" {
    defaults = { bootstrap_brokers_sasl_scram = "b-1.example:9096,b-2.example:9096", arn = "arn:aws:kafka:eu-central-1:123456789012:cluster/made-up" }
  }
  mock_resource "aws_ecr_repository" {
    defaults = { repository_url = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/platform-assets/platform" }
  }
}

mock_provider "random" {}

variables {
  region         = "eu-central-1"
  monthly_budget = 500
  alert_emails   = ["platform@example.com"]
}

run "small" {
  variables {
    size = "small"
  }
  assert {
    condition = alltrue([
      !aws_eks_cluster.this.deletion_protection,
      !aws_db_instance.this.deletion_protection,
      aws_db_instance.this.skip_final_snapshot,
      aws_db_instance.this.delete_automated_backups,
      aws_s3_bucket.this.force_destroy,
      alltrue([for one in aws_ecr_repository.these : one.force_delete]),
      alltrue([for one in aws_secretsmanager_secret.these : one.recovery_window_in_days == 0]),
      aws_elasticache_replication_group.this.snapshot_retention_limit == 0,
      aws_efs_backup_policy.this.backup_policy[0].status == "DISABLED",
    ])
    error_message = "`terraform destroy` of a small installation is refused, or leaves something."
  }
  assert {
    condition     = aws_kms_key.this.deletion_window_in_days == 7
    error_message = "A key waits at least seven days for its deletion; the small size takes no more."
  }
  assert {
    condition     = !aws_eks_cluster.this.vpc_config[0].endpoint_public_access && length(aws_msk_cluster.this) == 0
    error_message = "Without api_cidrs nobody reaches the API from outside, and the small size has no Kafka."
  }
  assert {
    condition     = aws_eks_node_group.these["gpu"].labels["platform-assets/node-class"] == "gpu" && one([for taint in aws_eks_node_group.these["gpu"].taint : taint.value]) == "gpu"
    error_message = "`node_class: gpu` finds its nodes by label, and others stay off them by a taint of that name."
  }
  assert {
    condition     = aws_eks_node_group.these["spot"].labels["platform-assets/spot"] == "true" && one([for taint in aws_eks_node_group.these["spot"].taint : taint.key]) == "platform-assets/spot" && length(aws_eks_node_group.these["general"].taint) == 0
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
      aws_eks_cluster.this.deletion_protection,
      aws_db_instance.this.deletion_protection,
      !aws_db_instance.this.skip_final_snapshot,
      aws_db_instance.this.final_snapshot_identifier == "platform-assets-last",
      !aws_s3_bucket.this.force_destroy,
      alltrue([for one in aws_ecr_repository.these : !one.force_delete]),
    ])
    error_message = "Production is protected against `terraform destroy`."
  }
  assert {
    condition     = aws_db_instance.this.multi_az && aws_elasticache_replication_group.this.automatic_failover_enabled && length(aws_nat_gateway.this) == 3 && aws_msk_cluster.this[0].number_of_broker_nodes == 3
    error_message = "Production outlives the loss of a zone."
  }
  assert {
    condition     = join(" ", sort([for taint in aws_eks_node_group.these["gpu-spot"].taint : taint.key])) == "platform-assets/node-class platform-assets/spot" && aws_eks_node_group.these["gpu-spot"].capacity_type == "SPOT"
    error_message = "GPUs on spot have both taints."
  }
  assert {
    condition     = strcontains(nonsensitive(aws_secretsmanager_secret_version.these["platform"].secret_string), "SCRAM-SHA-512") && length(aws_budgets_budget.month.notification) == 4 && one([for filter in aws_budgets_budget.month.cost_filter : one(filter.values)]) == "user:project$platform-assets"
    error_message = "A source's Kafka client comes with the secret; the budget alerts four times, on what carries the tag."
  }
}

run "a_size_that_is_none" {
  command = plan
  variables {
    size = "medium"
  }
  expect_failures = [var.size]
}

run "everybody_at_the_api" {
  command = plan
  variables {
    size      = "small"
    api_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.api_cidrs]
}

run "a_budget_nobody_hears_of" {
  command = plan
  variables {
    size         = "small"
    alert_emails = []
  }
  expect_failures = [var.alert_emails]
}
