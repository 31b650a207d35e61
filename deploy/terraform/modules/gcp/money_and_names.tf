# What it may cost, and the names it answers to.
resource "google_monitoring_notification_channel" "these" {
  for_each     = toset(var.alert_emails)
  project      = var.project
  display_name = each.key
  type         = "email"
  labels       = { email_address = each.key }
  depends_on   = [google_project_service.these]
}

resource "google_billing_budget" "month" {
  billing_account = var.billing_account
  display_name    = var.name

  budget_filter {
    projects        = ["projects/${data.google_project.this.number}"]
    calendar_period = "MONTH"
  }
  amount {
    specified_amount {
      units = tostring(floor(var.monthly_budget))
    }
  }
  dynamic "threshold_rules" {
    for_each = [{ at = 0.5, of = "CURRENT_SPEND" }, { at = 0.8, of = "CURRENT_SPEND" }, { at = 1.0, of = "CURRENT_SPEND" }, { at = 1.0, of = "FORECASTED_SPEND" }]
    content {
      threshold_percent = threshold_rules.value.at
      spend_basis       = threshold_rules.value.of
    }
  }
  all_updates_rule {
    monitoring_notification_channels = [for channel in google_monitoring_notification_channel.these : channel.id]
    disable_default_iam_recipients   = false
  }
}

resource "google_dns_managed_zone" "this" {
  count         = var.domain == "" ? 0 : 1
  project       = var.project
  name          = var.name
  dns_name      = "${var.domain}."
  description   = "Names of ${var.name}"
  force_destroy = !local.size.protected
  labels        = local.labels
  depends_on    = [google_project_service.these]

  dnssec_config {
    state = "on"
    default_key_specs {
      key_type   = "keySigning"
      algorithm  = "ecdsap256sha256"
      key_length = 256
    }
    default_key_specs {
      key_type   = "zoneSigning"
      algorithm  = "ecdsap256sha256"
      key_length = 256
    }
  }
}
