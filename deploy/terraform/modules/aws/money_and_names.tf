# What it may cost, and the names it answers to.
resource "aws_budgets_budget" "month" {
  name         = var.name
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:project$%s", var.name)]
  }
  dynamic "notification" {
    for_each = [{ at = 50, of = "ACTUAL" }, { at = 80, of = "ACTUAL" }, { at = 100, of = "ACTUAL" }, { at = 100, of = "FORECASTED" }]
    content {
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value.at
      threshold_type             = "PERCENTAGE"
      notification_type          = notification.value.of
      subscriber_email_addresses = var.alert_emails
    }
  }
}

resource "aws_route53_zone" "this" {
  count         = var.domain == "" ? 0 : 1
  name          = var.domain
  force_destroy = !local.size.protected
  tags          = local.tags
}

locals {
  # Without a zone the controllers may change none: an ARN that nothing has.
  zone_arns = var.domain == "" ? ["arn:${data.aws_partition.this.partition}:route53:::hostedzone/none"] : aws_route53_zone.this[*].arn
}
