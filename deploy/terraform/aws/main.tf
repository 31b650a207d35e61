# One installation on AWS. Copy this folder, or change it here: it is yours. docs/operations/cloud.md goes through it.
terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 6.60, < 7.0" }
  }
  # The state holds passwords: keep it in a bucket that few may read, for example
  # backend "s3" { bucket = "...", key = "platform-assets", region = "...", encrypt = true, use_lockfile = true }
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

provider "aws" {
  region = var.region
}

module "platform" {
  source         = "../modules/aws"
  region         = var.region
  size           = var.size
  monthly_budget = var.monthly_budget
  alert_emails   = var.alert_emails
  api_cidrs      = var.api_cidrs
  domain         = var.domain
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
