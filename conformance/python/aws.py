"""Clients of AWS's services, for whoever speaks to the broker as one of them."""

import boto3

REGION = "us-east-1"


def client(endpoint, service):
    return boto3.client(
        service,
        endpoint_url=f"http://{endpoint}",
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
