# Roles of the cluster, of its nodes, and of pods (EKS Pod Identity: an account of a namespace is a role, and no key lies anywhere).
locals {
  managed = "arn:${data.aws_partition.this.partition}:iam::aws:policy"
  # Service accounts of the chart that read and write the bucket.
  bucket_accounts = toset(["code-location", "runs", "serving", "mlflow"])
  # Controllers of the cluster, each with the account that its own chart gives it.
  controllers = {
    external-secrets   = { namespace = "external-secrets", account = "external-secrets" }
    cluster-autoscaler = { namespace = "kube-system", account = "cluster-autoscaler" }
    cert-manager       = { namespace = "cert-manager", account = "cert-manager" }
    external-dns       = { namespace = "external-dns", account = "external-dns" }
  }
}

data "aws_iam_policy_document" "trust" {
  for_each = { eks = "eks", ec2 = "ec2", flow = "vpc-flow-logs" }
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["${each.value}.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "pods" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]
    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "cluster" {
  name               = "${var.name}-cluster"
  assume_role_policy = data.aws_iam_policy_document.trust["eks"].json
  tags               = local.tags
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.cluster.name
  policy_arn = "${local.managed}/AmazonEKSClusterPolicy"
}

resource "aws_iam_role" "nodes" {
  name               = "${var.name}-nodes"
  assume_role_policy = data.aws_iam_policy_document.trust["ec2"].json
  tags               = local.tags
}

resource "aws_iam_role_policy_attachment" "nodes" {
  for_each   = toset(["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly"])
  role       = aws_iam_role.nodes.name
  policy_arn = "${local.managed}/${each.key}"
}

resource "aws_iam_role" "flow" {
  name               = "${var.name}-flow"
  assume_role_policy = data.aws_iam_policy_document.trust["flow"].json
  tags               = local.tags
}

data "aws_iam_policy_document" "flow" {
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    resources = ["${aws_cloudwatch_log_group.flow.arn}:*"]
  }
}

resource "aws_iam_role_policy" "flow" {
  name   = "write"
  role   = aws_iam_role.flow.id
  policy = data.aws_iam_policy_document.flow.json
}

# Roles that pods take: the bucket's, the volume drivers', the controllers'.
resource "aws_iam_role" "pods" {
  for_each           = toset(concat(["bucket", "aws-ebs-csi-driver", "aws-efs-csi-driver"], keys(local.controllers)))
  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.pods.json
  tags               = local.tags
}

resource "aws_iam_role_policy_attachment" "volumes" {
  for_each   = { aws-ebs-csi-driver = "AmazonEBSCSIDriverPolicy", aws-efs-csi-driver = "AmazonEFSCSIDriverPolicy" }
  role       = aws_iam_role.pods[each.key].name
  policy_arn = "${local.managed}/service-role/${each.value}"
}

data "aws_iam_policy_document" "pods_may" {
  for_each = {
    bucket = [
      { actions = ["s3:ListBucket", "s3:GetBucketLocation"], resources = [aws_s3_bucket.this.arn], when = {} },
      { actions = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"], resources = ["${aws_s3_bucket.this.arn}/*"], when = {} },
      { actions = ["kms:Decrypt", "kms:GenerateDataKey"], resources = [aws_kms_key.this.arn], when = {} },
    ]
    external-secrets = [
      { actions = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"], resources = [for one in concat(values(aws_secretsmanager_secret.these), aws_secretsmanager_secret.kafka) : one.arn], when = {} },
      { actions = ["kms:Decrypt"], resources = [aws_kms_key.this.arn], when = {} },
    ]
    cluster-autoscaler = [
      { actions = ["autoscaling:Describe*", "ec2:DescribeInstanceTypes", "ec2:DescribeLaunchTemplateVersions", "eks:DescribeNodegroup"], resources = ["*"], when = {} },
      { actions = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"], resources = ["*"], when = { "aws:ResourceTag/eks:cluster-name" = var.name } },
    ]
    cert-manager = [
      { actions = ["route53:GetChange", "route53:ListHostedZonesByName"], resources = ["*"], when = {} },
      { actions = ["route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets"], resources = local.zone_arns, when = {} },
    ]
    external-dns = [
      { actions = ["route53:ListHostedZones", "route53:ListTagsForResources"], resources = ["*"], when = {} },
      { actions = ["route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets"], resources = local.zone_arns, when = {} },
    ]
  }
  dynamic "statement" {
    for_each = each.value
    content {
      actions   = statement.value.actions
      resources = statement.value.resources
      dynamic "condition" {
        for_each = statement.value.when
        content {
          test     = "StringEquals"
          variable = condition.key
          values   = [condition.value]
        }
      }
    }
  }
}

resource "aws_iam_role_policy" "pods" {
  for_each = data.aws_iam_policy_document.pods_may
  name     = "may"
  role     = aws_iam_role.pods[each.key].id
  policy   = each.value.json
}

resource "aws_eks_pod_identity_association" "bucket" {
  for_each        = local.bucket_accounts
  cluster_name    = aws_eks_cluster.this.name
  namespace       = var.namespace
  service_account = "platform-assets-${each.key}"
  role_arn        = aws_iam_role.pods["bucket"].arn
  tags            = local.tags
}

resource "aws_eks_pod_identity_association" "controllers" {
  for_each        = local.controllers
  cluster_name    = aws_eks_cluster.this.name
  namespace       = each.value.namespace
  service_account = each.value.account
  role_arn        = aws_iam_role.pods[each.key].arn
  tags            = local.tags
}
