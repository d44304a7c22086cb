// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// treatment is what becomes of a parameter.
type treatment uint8

const (
	unknown treatment = iota
	passes
	dropped  // it changes the form of the answer, which the gateway writes
	ruling   // it passes, and makes the call one about rights
	reserved // it carries a credential, or another's bill
)

// treatmentOf knows the parameters of the interface. One that is not here is
// refused by name.
func treatmentOf(name string) treatment {
	switch name {
	case "alt", "uploadType", "upload_id", "name", "prefix", "delimiter", "startOffset", "endOffset", "includeTrailingDelimiter", "includeFoldersAsPrefixes", "matchGlob",
		"maxResults", "pageToken", "versions", "softDeleted", "generation", "ifGenerationMatch", "ifGenerationNotMatch", "ifMetagenerationMatch",
		"ifMetagenerationNotMatch", "ifSourceGenerationMatch", "ifSourceGenerationNotMatch", "ifSourceMetagenerationMatch", "ifSourceMetagenerationNotMatch",
		"sourceGeneration", "rewriteToken", "maxBytesRewrittenPerCall", "contentEncoding", "project", "permissions", "optionsRequestedPolicyVersion", "filter",
		"pageSize", "dropContextGroups", "restoreToken", "copySourceAcl", "enableObjectRetention", "storageLayoutPrefix":
		return passes
	case "fields", "projection", "prettyPrint", "quotaUser", "userIp", "$prettyPrint", "returnPartialSuccess":
		return dropped
	case "predefinedAcl", "predefinedDefaultObjectAcl", "destinationPredefinedAcl", "kmsKeyName", "destinationKmsKeyName", "overrideUnlockedRetention", "bypassGovernanceRetention":
		return ruling
	case "access_token", "oauth_token", "key", "callback", "$.xgafv", "userProject", "provisionalUserProject", "X-Goog-Signature", "X-Amz-Signature", "Signature", "GoogleAccessId":
		return reserved
	}
	return unknown
}

// parameters reads a query. why is set for one that cannot pass.
func parameters(query string) (url.Values, string) {
	out := url.Values{}
	if strings.ContainsAny(query, ";#") {
		return nil, "the query holds a separator that servers read in different ways"
	}
	n := 0
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		k, err := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		if n++; err != nil || err2 != nil || !utf8.ValidString(k+v) || strings.ContainsRune(k+v, 0) || n > maxParams {
			return nil, "the query is not encoded as URLs are, or has too many parameters"
		}
		switch treatmentOf(k) {
		case unknown:
			return nil, "the query has a parameter that is not known: " + word(k)
		case reserved:
			return nil, "the query has a parameter that cannot pass a gateway: " + word(k)
		case dropped:
			continue
		}
		if out.Has(k) && k != "permissions" {
			return nil, "the query has a parameter twice: " + word(k)
		}
		out.Add(k, v)
	}
	return out, ""
}

// word is a parameter's name where it may be shown.
func word(s string) string {
	if len(s) > 40 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.$") != "" {
		return "(a name that is no word)"
	}
	return s
}
