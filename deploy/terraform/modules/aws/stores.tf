resource "random_password" "database" {
  length  = 32
  special = false # it stands in addresses
}

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = aws_subnet.private[*].id
  tags       = local.tags
}

resource "aws_db_parameter_group" "this" {
  name_prefix = "${var.name}-"
  family      = "postgres17"
  tags        = local.tags

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }
  lifecycle {
    create_before_destroy = true
  }
}

# Made here, since RDS would make them by itself and leave them.
resource "aws_cloudwatch_log_group" "database" {
  for_each          = toset(["postgresql", "upgrade"])
  name              = "/aws/rds/instance/${var.name}/${each.key}"
  retention_in_days = local.size.log_days
  kms_key_id        = aws_kms_key.this.arn
  tags              = local.tags
}

# PostgreSQL of Dagster, MLflow and the feature registry: a database each. The first is made here, docs/operations/cloud.md makes the others.
resource "aws_db_instance" "this" {
  identifier                          = var.name
  engine                              = "postgres"
  engine_version                      = "17"
  instance_class                      = local.size.database.machine
  db_name                             = "dagster"
  username                            = "dagster"
  password                            = random_password.database.result
  allocated_storage                   = local.size.database.disk_gb
  max_allocated_storage               = local.size.database.most_disk_gb
  storage_type                        = "gp3"
  storage_encrypted                   = true
  kms_key_id                          = aws_kms_key.this.arn
  multi_az                            = local.size.database.standby
  db_subnet_group_name                = aws_db_subnet_group.this.name
  vpc_security_group_ids              = [aws_security_group.stores.id]
  parameter_group_name                = aws_db_parameter_group.this.name
  backup_retention_period             = local.size.backup_days
  copy_tags_to_snapshot               = true
  delete_automated_backups            = !local.size.protected
  deletion_protection                 = local.size.protected
  skip_final_snapshot                 = !local.size.protected
  final_snapshot_identifier           = local.size.protected ? "${var.name}-last" : null
  auto_minor_version_upgrade          = true
  iam_database_authentication_enabled = true
  performance_insights_enabled        = local.size.protected
  performance_insights_kms_key_id     = local.size.protected ? aws_kms_key.this.arn : null
  enabled_cloudwatch_logs_exports     = ["postgresql", "upgrade"]
  tags                                = local.tags
  depends_on                          = [aws_cloudwatch_log_group.database]
}

resource "random_password" "cache" {
  length  = 32
  special = false
}

resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = aws_subnet.private[*].id
  tags       = local.tags
}

# The online store. Valkey speaks Redis' protocol, and costs a fifth less.
resource "aws_elasticache_replication_group" "this" {
  replication_group_id       = var.name
  description                = "Online store of features"
  engine                     = "valkey"
  engine_version             = "8.0"
  node_type                  = local.size.cache.machine
  num_cache_clusters         = local.size.cache.nodes
  automatic_failover_enabled = local.size.cache.nodes > 1
  multi_az_enabled           = local.size.cache.nodes > 1
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [aws_security_group.stores.id]
  at_rest_encryption_enabled = true
  kms_key_id                 = aws_kms_key.this.arn
  transit_encryption_enabled = true
  auth_token                 = random_password.cache.result
  snapshot_retention_limit   = local.size.protected ? 7 : 0
  auto_minor_version_upgrade = true
  tags                       = local.tags
}

resource "aws_cloudwatch_log_group" "kafka" {
  count             = local.kafka ? 1 : 0
  name              = "/${var.name}/kafka"
  retention_in_days = local.size.log_days
  kms_key_id        = aws_kms_key.this.arn
  tags              = local.tags
}

resource "aws_msk_cluster" "this" {
  count                  = local.kafka ? 1 : 0
  cluster_name           = var.name
  kafka_version          = "3.9.x"
  number_of_broker_nodes = local.size.kafka.brokers
  tags                   = local.tags

  broker_node_group_info {
    instance_type   = local.size.kafka.machine
    client_subnets  = slice(aws_subnet.private[*].id, 0, local.size.kafka.brokers)
    security_groups = [aws_security_group.stores.id]
    storage_info {
      ebs_storage_info {
        volume_size = local.size.kafka.disk_gb
      }
    }
  }
  client_authentication {
    unauthenticated = false
    sasl {
      scram = true
    }
  }
  encryption_info {
    encryption_at_rest_kms_key_arn = aws_kms_key.this.arn
    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }
  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.kafka[0].name
      }
    }
  }
}
