# One installation on Google Cloud. Copy this folder, or change it here: it is yours. docs/operations/cloud.md goes through it.
terraform {
  required_version = ">= 1.9"
  required_providers {
    google = { source = "hashicorp/google", version = ">= 8.0, < 9.0" }
  }
  # The state holds passwords: keep it in a bucket that few may read, for example
  # backend "gcs" { bucket = "...", prefix = "platform-assets" }
}

variable "region" {
  type = string
}

variable "size" {
  type    = string
  default = "small"
}

variable "monthly_budget" {
  type = number
}

variable "alert_emails" {
  type = list(string)
}

variable "api_cidrs" {
  type    = list(string)
  default = []
}

variable "domain" {
  type    = string
  default = ""
}

variable "project" {
  type = string
}

variable "billing_account" {
  type = string
}

variable "zone" {
  type = string
}

provider "google" {
  project               = var.project
  region                = var.region
  user_project_override = true # budgets are charged to this project's quota
  billing_project       = var.project
}

module "platform" {
  source          = "../modules/gcp"
  project         = var.project
  billing_account = var.billing_account
  region          = var.region
  zone            = var.zone
  size            = var.size
  monthly_budget  = var.monthly_budget
  alert_emails    = var.alert_emails
  api_cidrs       = var.api_cidrs
  domain          = var.domain
}

output "helm_values" {
  value = module.platform.helm_values
}

output "cluster_manifests" {
  value = module.platform.cluster_manifests
}

output "secrets_source" {
  value = module.platform.secrets_source
}

output "kubeconfig_command" {
  value = module.platform.kubeconfig_command
}

output "registry" {
  value = module.platform.registry
}

output "name_servers" {
  value = module.platform.name_servers
}
