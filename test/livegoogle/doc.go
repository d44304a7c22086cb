// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package livegoogle tries the gateway before Google's own services, with a project
// of whoever runs it. Everything else in this repository is tested against
// counterparts; this is how to find out where they differ from Google:
//
//	GW_LIVE_GCP=1 SALLYPORT_LIVE_PROJECT=p SALLYPORT_LIVE_DATASET=d SALLYPORT_LIVE_BUCKET=b \
//	  SALLYPORT_LIVE_CREDENTIALS=key.json make live-google
//
// The dataset and the bucket have to be there and may be lost: objects whose names
// begin with sallyport_live are made, read and removed in both. Instead of a file
// with credentials, SALLYPORT_LIVE_TOKEN may have an access token; and
// SALLYPORT_LIVE_BIGQUERY and SALLYPORT_LIVE_STORAGE the addresses of other services
// that speak the same.
package livegoogle
