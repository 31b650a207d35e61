# One installation on each of several clouds, below one domain: the first cloud holds the zone, the others a zone below it.
# Take out the blocks of a cloud that you do not use: Terraform asks each provider that is named for credentials.
terraform {
  required_version = ">= 1.9"
  required_providers {
    aws     = { source = "hashicorp/aws", version = ">= 6.60, < 7.0" }
    azurerm = { source = "hashicorp/azurerm", version = ">= 5.0, < 6.0" }
    google  = { source = "hashicorp/google", version = ">= 8.0, < 9.0" }
    random  = { source = "hashicorp/random", version = "~> 3.6" }
  }
  # The state holds passwords: keep it in a bucket that few may read, for example
  # backend "s3" { bucket = "...", key = "platform-assets", region = "...", encrypt = true, use_lockfile = true }
}

variable "domain" {
  description = "Domain of the zone on AWS; azure.DOMAIN and gcp.DOMAIN are made below it."
  type        = string
}

variable "clouds" {
  description = "Size, region and monthly budget of each cloud."
  type = map(object({
    size           = string
    region         = string
    monthly_budget = number
  }))
  validation {
    condition     = toset(keys(var.clouds)) == toset(["aws", "azure", "gcp"])
    error_message = "clouds: aws, azure and gcp, each with size, region and monthly_budget."
  }
}

variable "alert_emails" {
  type = list(string)
}

variable "api_cidrs" {
  type    = list(string)
  default = []
}

variable "azure_subscription_id" {
  type = string
}

variable "gcp_project" {
  type = string
}

variable "gcp_billing_account" {
  type = string
}

variable "gcp_zone" {
  type = string
}

provider "aws" {
  region = var.clouds.aws.region
}

provider "azurerm" {
  subscription_id     = var.azure_subscription_id
  storage_use_azuread = true
  features {}
}

provider "google" {
  project               = var.gcp_project
  region                = var.clouds.gcp.region
  user_project_override = true
  billing_project       = var.gcp_project
}

# The ranges of the networks differ, so that they can be joined later.
module "aws" {
  source         = "../modules/aws"
  size           = var.clouds.aws.size
  region         = var.clouds.aws.region
  monthly_budget = var.clouds.aws.monthly_budget
  network        = "10.40.0.0/16"
  domain         = var.domain
  alert_emails   = var.alert_emails
  api_cidrs      = var.api_cidrs
}

module "azure" {
  source         = "../modules/azure"
  size           = var.clouds.azure.size
  region         = var.clouds.azure.region
  monthly_budget = var.clouds.azure.monthly_budget
  network        = "10.50.0.0/16"
  domain         = "azure.${var.domain}"
  alert_emails   = var.alert_emails
  api_cidrs      = var.api_cidrs
}

module "gcp" {
  source          = "../modules/gcp"
  project         = var.gcp_project
  billing_account = var.gcp_billing_account
  size            = var.clouds.gcp.size
  region          = var.clouds.gcp.region
  zone            = var.gcp_zone
  monthly_budget  = var.clouds.gcp.monthly_budget
  network         = "10.60.0.0/16"
  domain          = "gcp.${var.domain}"
  alert_emails    = var.alert_emails
  api_cidrs       = var.api_cidrs
}

resource "aws_route53_record" "below" {
  for_each = { azure = module.azure.name_servers, gcp = module.gcp.name_servers }
  zone_id  = module.aws.zone_id
  name     = "${each.key}.${var.domain}"
  type     = "NS"
  ttl      = 3600
  records  = each.value
}

output "helm_values" {
  value = { aws = module.aws.helm_values, azure = module.azure.helm_values, gcp = module.gcp.helm_values }
}

output "cluster_manifests" {
  value = { aws = module.aws.cluster_manifests, azure = module.azure.cluster_manifests, gcp = module.gcp.cluster_manifests }
}

output "kubeconfig_commands" {
  value = { aws = module.aws.kubeconfig_command, azure = module.azure.kubeconfig_command, gcp = module.gcp.kubeconfig_command }
}

output "registries" {
  value = { aws = module.aws.registry, azure = module.azure.registry, gcp = module.gcp.registry }
}

output "name_servers" {
  value = module.aws.name_servers
}
