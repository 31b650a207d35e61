# One installation on Azure. Copy this folder, or change it here: it is yours. docs/operations/cloud.md goes through it.
terraform {
  required_version = ">= 1.9"
  required_providers {
    azurerm = { source = "hashicorp/azurerm", version = ">= 5.0, < 6.0" }
  }
  # The state holds passwords: keep it in a container that few may read, for example
  # backend "azurerm" { resource_group_name = "...", storage_account_name = "...", container_name = "...", key = "platform-assets" }
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

variable "subscription_id" {
  type = string
}

provider "azurerm" {
  subscription_id     = var.subscription_id
  storage_use_azuread = true
  features {}
}

module "platform" {
  source         = "../modules/azure"
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

output "identities" {
  value = module.platform.identities
}
