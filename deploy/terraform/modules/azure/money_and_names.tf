# What it may cost, and the names it answers to.
data "azurerm_subscription" "this" {}

resource "azurerm_consumption_budget_subscription" "month" {
  name            = var.name
  subscription_id = data.azurerm_subscription.this.id
  amount          = var.monthly_budget
  time_grain      = "Monthly"

  time_period {
    start_date = formatdate("YYYY-MM-01'T'00:00:00Z", plantimestamp())
  }
  filter {
    dimension {
      name   = "ResourceGroupName"
      values = [azurerm_resource_group.this.name, local.node_group]
    }
  }
  dynamic "notification" {
    for_each = [{ at = 50, of = "Actual" }, { at = 80, of = "Actual" }, { at = 100, of = "Actual" }, { at = 100, of = "Forecasted" }]
    content {
      enabled        = true
      operator       = "GreaterThan"
      threshold      = notification.value.at
      threshold_type = notification.value.of
      contact_emails = var.alert_emails
    }
  }
  lifecycle {
    ignore_changes = [time_period]
  }
}

resource "azurerm_dns_zone" "this" {
  count               = var.domain == "" ? 0 : 1
  name                = var.domain
  resource_group_name = azurerm_resource_group.this.name
  tags                = local.tags
}

# In production nothing below the group is deleted before somebody takes the lock off.
resource "azurerm_management_lock" "this" {
  count      = local.size.protected ? 1 : 0
  name       = "protected"
  scope      = azurerm_postgresql_flexible_server.this.id
  lock_level = "CanNotDelete"
  notes      = "The databases of ${var.name}: take this lock off before terraform destroy."
}
