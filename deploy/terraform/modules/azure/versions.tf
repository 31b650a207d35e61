# Provider configurations belong to whoever calls the module, so that several clouds can be put together.
terraform {
  required_version = ">= 1.9"
  required_providers {
    azurerm = { source = "hashicorp/azurerm", version = ">= 5.0, < 6.0" }
    random  = { source = "hashicorp/random", version = "~> 3.6" }
  }
}
