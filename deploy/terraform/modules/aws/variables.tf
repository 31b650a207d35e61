variable "name" {
  description = "Begins the name of everything that is made here."
  type        = string
  default     = "platform-assets"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name))
    error_message = "name: 3 to 24 lower-case letters, digits and dashes, beginning with a letter; names of databases and roles are made of it."
  }
}

variable "size" {
  description = "small: a try that can be destroyed without a trace. production: standby databases, three zones, protected against deletion."
  type        = string
  validation {
    condition     = contains(["small", "production"], var.size)
    error_message = "size: small or production."
  }
}

variable "region" {
  description = "Region of everything, such as eu-central-1."
  type        = string
}

variable "network" {
  description = "Address range of the network, a /16; of several clouds that are joined each needs its own."
  type        = string
  default     = "10.40.0.0/16"
  validation {
    condition     = can(cidrsubnet(var.network, 4, 15)) && endswith(var.network, "/16")
    error_message = "network: a range such as 10.40.0.0/16."
  }
}

variable "api_cidrs" {
  description = "Ranges that reach the Kubernetes API from outside. Empty: nobody does, and kubectl runs inside the network."
  type        = list(string)
  default     = []
  validation {
    condition     = !contains(var.api_cidrs, "0.0.0.0/0")
    error_message = "api_cidrs: not everybody; name the ranges of your offices or of your VPN."
  }
}

variable "kubernetes_version" {
  description = "Minor version of Kubernetes; the chart needs 1.30 or later."
  type        = string
  default     = "1.34"
}

variable "node_classes" {
  description = "Groups of nodes instead of those in sizes.yaml: class is the label platform-assets/node-class, and its taint unless it is general."
  type = map(object({
    class   = string
    machine = string
    least   = number
    most    = number
    disk_gb = optional(number, 50)
    gpus    = optional(number, 0)
    spot    = optional(bool, false)
  }))
  default = null
}

variable "kafka" {
  description = "Whether there are brokers; null: as the size says."
  type        = bool
  default     = null
}

variable "domain" {
  description = "Domain whose zone is made here, such as ml.example.com; empty: none."
  type        = string
  default     = ""
}

variable "monthly_budget" {
  description = "Dollars a month; alerts are sent at 50, 80 and 100 %, and when the forecast passes it."
  type        = number
  validation {
    condition     = var.monthly_budget > 0
    error_message = "monthly_budget: above 0. python deploy/terraform/estimate.py says what a size costs."
  }
}

variable "alert_emails" {
  description = "Who is told that the budget is being spent."
  type        = list(string)
  validation {
    condition     = length(var.alert_emails) > 0
    error_message = "alert_emails: at least one address; a budget nobody hears of is none."
  }
}

variable "namespace" {
  description = "Namespace that the chart is installed into: identities are bound to its accounts."
  type        = string
  default     = "platform-assets"
}
