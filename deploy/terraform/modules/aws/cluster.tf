resource "aws_cloudwatch_log_group" "cluster" {
  name              = "/aws/eks/${var.name}/cluster"
  retention_in_days = local.size.log_days
  kms_key_id        = aws_kms_key.this.arn
  tags              = local.tags
}

resource "aws_eks_cluster" "this" {
  name                          = var.name
  version                       = var.kubernetes_version
  role_arn                      = aws_iam_role.cluster.arn
  bootstrap_self_managed_addons = false
  deletion_protection           = local.size.protected
  enabled_cluster_log_types     = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
  tags                          = local.tags

  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = true
  }
  vpc_config {
    subnet_ids              = aws_subnet.private[*].id
    endpoint_private_access = true
    endpoint_public_access  = length(var.api_cidrs) > 0
    public_access_cidrs     = length(var.api_cidrs) > 0 ? var.api_cidrs : null
  }
  encryption_config {
    resources = ["secrets"]
    provider {
      key_arn = aws_kms_key.this.arn
    }
  }
  depends_on = [aws_cloudwatch_log_group.cluster, aws_iam_role_policy_attachment.cluster]
}

resource "aws_launch_template" "nodes" {
  for_each    = local.nodes
  name_prefix = "${var.name}-${each.key}-"
  tags        = local.tags

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_type           = "gp3"
      volume_size           = each.value.disk_gb
      encrypted             = true
      kms_key_id            = aws_kms_key.this.arn
      delete_on_termination = true
    }
  }
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1 # pods do not become the node
  }
  tag_specifications {
    resource_type = "instance"
    tags          = merge(local.tags, { Name = "${var.name}-${each.key}" })
  }
}

# One group for each entry of node_classes: labels and taints as `compute` of a use case means them.
resource "aws_eks_node_group" "these" {
  for_each        = local.nodes
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = each.key
  node_role_arn   = aws_iam_role.nodes.arn
  subnet_ids      = aws_subnet.private[*].id
  instance_types  = [each.value.machine]
  capacity_type   = each.value.spot ? "SPOT" : "ON_DEMAND"
  ami_type        = each.value.gpus > 0 ? "AL2023_x86_64_NVIDIA" : "AL2023_x86_64_STANDARD"
  labels          = merge({ "platform-assets/node-class" = each.value.class }, each.value.spot ? { "platform-assets/spot" = "true" } : {})
  tags            = local.tags

  scaling_config {
    desired_size = each.value.least
    min_size     = each.value.least
    max_size     = each.value.most
  }
  launch_template {
    id      = aws_launch_template.nodes[each.key].id
    version = aws_launch_template.nodes[each.key].latest_version
  }
  update_config {
    max_unavailable = 1
  }
  dynamic "taint" {
    for_each = merge(
      contains(["general", "spot"], each.value.class) ? {} : { "platform-assets/node-class" = each.value.class },
      each.value.spot ? { "platform-assets/spot" = "true" } : {},
    )
    content {
      key    = taint.key
      value  = taint.value
      effect = "NO_SCHEDULE"
    }
  }
  lifecycle {
    ignore_changes = [scaling_config[0].desired_size] # the autoscaler's
  }
  depends_on = [aws_iam_role_policy_attachment.nodes]
}

locals {
  # The chart's NetworkPolicies count only where the network plugin enforces them.
  addons = {
    vpc-cni                = { settings = { enableNetworkPolicy = "true" }, account = null }
    kube-proxy             = { settings = {}, account = null }
    coredns                = { settings = {}, account = null }
    eks-pod-identity-agent = { settings = {}, account = null }
    aws-ebs-csi-driver     = { settings = {}, account = "ebs-csi-controller-sa" }
    aws-efs-csi-driver     = { settings = {}, account = "efs-csi-controller-sa" }
  }
}

resource "aws_eks_addon" "these" {
  for_each                    = local.addons
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  configuration_values        = length(each.value.settings) > 0 ? jsonencode(each.value.settings) : null
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  tags                        = local.tags

  dynamic "pod_identity_association" {
    for_each = each.value.account == null ? [] : [each.value.account]
    content {
      service_account = pod_identity_association.value
      role_arn        = aws_iam_role.pods[each.key].arn
    }
  }
  # Those with pods of their own wait for nodes; the network plugin must not, for nodes wait for it.
}
