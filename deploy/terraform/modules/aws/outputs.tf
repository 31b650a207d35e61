output "helm_values" {
  description = "Values of deploy/helm/platform-assets that follow from what was made here; images, addresses and the gateway are yours to add."
  value = yamlencode({
    environment = local.size.protected ? "production" : "dev"
    image       = { pullSecrets = [] } # nodes pull by their own identity
    webserver   = { replicas = local.size.protected ? 2 : 1 }
    mlflow      = { replicas = local.size.protected ? 2 : 1 }
    settings = {
      lake            = "s3://${aws_s3_bucket.this.bucket}/lake"
      mlflowArtifacts = "s3://${aws_s3_bucket.this.bucket}/mlflow"
      extra           = { AWS_REGION = var.region }
    }
    secrets = {
      source = "external"
      external = {
        storeName = "cloud"
        key       = aws_secretsmanager_secret.these["platform"].name
        mlflowKey = aws_secretsmanager_secret.these["mlflow"].name
      }
    }
    database = { host = aws_db_instance.this.address, port = 5432, user = "dagster", name = "dagster" }
    serving  = { releases = "s3://${aws_s3_bucket.this.bucket}/releases", storePorts = local.store_ports }
    storage = {
      home          = { storageClass = "shared-files" }
      releases      = { storageClass = "shared-files" }
      predictionLog = { storageClass = "shared-files" }
      scratch       = { kind = "claim", storageClass = "fast-disks" }
    }
    controlPlane  = { avoidSpot = true }
    networkPolicy = { egressPorts = concat([6443], local.store_ports) }
    quota         = { enabled = local.size.protected, gpus = sum([for group in values(local.nodes) : group.gpus * group.most]) }
  })
}

output "cluster_manifests" {
  description = "Objects of the cluster that the chart expects: the namespace, the class of shared volumes, the store of External Secrets."
  value = join("---\n", [for object in [
    { apiVersion = "v1", kind = "Namespace", metadata = { name = var.namespace } },
    {
      apiVersion  = "storage.k8s.io/v1"
      kind        = "StorageClass"
      metadata    = { name = "shared-files" }
      provisioner = "efs.csi.aws.com"
      parameters  = { provisioningMode = "efs-ap", fileSystemId = aws_efs_file_system.this.id, directoryPerms = "770", uid = "65532", gid = "65532" }
    },
    {
      apiVersion        = "storage.k8s.io/v1"
      kind              = "StorageClass"
      metadata          = { name = "fast-disks" }
      provisioner       = "ebs.csi.aws.com"
      volumeBindingMode = "WaitForFirstConsumer"
      parameters        = { type = "gp3", encrypted = "true" }
    },
    {
      apiVersion = "external-secrets.io/v1"
      kind       = "ClusterSecretStore"
      metadata   = { name = "cloud" }
      spec       = { provider = { aws = { service = "SecretsManager", region = var.region } } }
    },
  ] : yamlencode(object)])
}

output "secrets_source" {
  description = "PLATFORM_ASSETS_SECRETS of a machine outside the cluster whose identity may read the platform's secret."
  value       = jsonencode({ kind = "aws", region = var.region, document = aws_secretsmanager_secret.these["platform"].name })
}

output "kubeconfig_command" {
  description = "Lets kubectl and helm at the cluster."
  value       = "aws eks update-kubeconfig --region ${var.region} --name ${aws_eks_cluster.this.name}"
}

output "registry" {
  description = "Where images are pushed to: REGISTRY/platform and REGISTRY/serving."
  value       = dirname(aws_ecr_repository.these["platform"].repository_url)
}

output "bucket" {
  description = "The bucket of lake, models, releases and backups."
  value       = "s3://${aws_s3_bucket.this.bucket}"
}

output "kafka_brokers" {
  description = "Brokers for sources of kind kafka (SASL_SSL, SCRAM-SHA-512); empty without Kafka."
  value       = local.kafka ? aws_msk_cluster.this[0].bootstrap_brokers_sasl_scram : ""
}

output "name_servers" {
  description = "Name servers that the domain's registrar has to point to; empty without a domain."
  value       = try(aws_route53_zone.this[0].name_servers, [])
}

output "zone_id" {
  description = "Zone of the domain, for names of other clouds below it; null without a domain."
  value       = one(aws_route53_zone.this[*].zone_id)
}

locals {
  # 80: the agent that gives pods their role.
  store_ports = concat([80, 443, 4317, 4318, 5432, 6379], local.kafka ? [9096] : [])
}
