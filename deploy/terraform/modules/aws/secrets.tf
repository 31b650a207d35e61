# What External Secrets brings into the cluster: one secret for each Secret of the chart, its keys named as the chart reads them.
locals {
  postgresql = "postgresql+psycopg2://dagster:${random_password.database.result}@${aws_db_instance.this.address}:5432"
  online_store = jsonencode({
    type              = "redis"
    connection_string = "${aws_elasticache_replication_group.this.primary_endpoint_address}:6379,password=${random_password.cache.result},ssl=true"
  })
  kafka_client = local.kafka ? jsonencode({
    "bootstrap.servers" = aws_msk_cluster.this[0].bootstrap_brokers_sasl_scram
    "security.protocol" = "SASL_SSL"
    "sasl.mechanism"    = "SCRAM-SHA-512"
    "sasl.username"     = var.name
    "sasl.password"     = random_password.kafka[0].result
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

resource "aws_secretsmanager_secret" "these" {
  for_each                = toset(["platform", "mlflow"])
  name                    = "${var.name}/${each.key}"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = local.size.protected ? 30 : 0
  tags                    = local.tags
}

resource "aws_secretsmanager_secret_version" "these" {
  for_each      = aws_secretsmanager_secret.these
  secret_id     = each.value.id
  secret_string = jsonencode(local.secrets[each.key])
}

# MSK takes users from secrets of this prefix, encrypted with a key that is not the account's default.
resource "random_password" "kafka" {
  count   = local.kafka ? 1 : 0
  length  = 32
  special = false
}

resource "aws_secretsmanager_secret" "kafka" {
  count                   = local.kafka ? 1 : 0
  name                    = "AmazonMSK_${var.name}"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = local.size.protected ? 30 : 0
  tags                    = local.tags
}

resource "aws_secretsmanager_secret_version" "kafka" {
  count         = local.kafka ? 1 : 0
  secret_id     = aws_secretsmanager_secret.kafka[0].id
  secret_string = jsonencode({ username = var.name, password = random_password.kafka[0].result })
}

resource "aws_msk_scram_secret_association" "this" {
  count           = local.kafka ? 1 : 0
  cluster_arn     = aws_msk_cluster.this[0].arn
  secret_arn_list = [aws_secretsmanager_secret.kafka[0].arn]
  depends_on      = [aws_secretsmanager_secret_version.kafka]
}
