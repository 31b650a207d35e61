# terraform test: three clouds at once, without an account of any.
mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_route53_zone" {
    defaults = { zone_id = "Z0MADEUP" }
  }
}

mock_provider "azurerm" {
  mock_data "azurerm_subscription" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000" }
  }
  mock_resource "azurerm_dns_zone" {
    defaults = { name_servers = ["ns1.azure.example.", "ns2.azure.example."] }
  }
}

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
  mock_resource "google_filestore_instance" {
    defaults = { networks = { ip_addresses = ["10.60.2.2"] } }
  }
  mock_resource "google_dns_managed_zone" {
    defaults = { name_servers = ["ns1.google.example.", "ns2.google.example."] }
  }
}

mock_provider "random" {}

variables {
  domain                = "ml.example.com"
  alert_emails          = ["platform@example.com"]
  azure_subscription_id = "00000000-0000-0000-0000-000000000000"
  gcp_project           = "made-up"
  gcp_billing_account   = "012345-678901-ABCDEF"
  gcp_zone              = "europe-west4-a"
  clouds = {
    aws   = { size = "production", region = "eu-central-1", monthly_budget = 3000 }
    azure = { size = "small", region = "westeurope", monthly_budget = 600 }
    gcp   = { size = "small", region = "europe-west4", monthly_budget = 600 }
  }
}

run "three_clouds_of_two_sizes" {
  assert {
    condition     = aws_route53_record.below["azure"].records == toset(["ns1.azure.example.", "ns2.azure.example."]) && aws_route53_record.below["gcp"].name == "gcp.ml.example.com" && aws_route53_record.below["gcp"].zone_id == "Z0MADEUP"
    error_message = "The zone of the first cloud delegates to the zones of the others."
  }
  assert {
    condition     = yamldecode(output.helm_values.aws).environment == "production" && yamldecode(output.helm_values.azure).environment == "dev" && yamldecode(output.helm_values.gcp).environment == "dev"
    error_message = "Each cloud has a size of its own."
  }
}

run "a_cloud_that_is_left_out" {
  command = plan
  variables {
    clouds = { aws = { size = "small", region = "eu-central-1", monthly_budget = 600 } }
  }
  expect_failures = [var.clouds]
}
