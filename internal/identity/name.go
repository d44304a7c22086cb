// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Clients of Google Cloud have no place for a resource and a role. They carry an
// audience, in files of the type external_account, or an account's address, in
// keys of service accounts and on the metadata server; so both names go there.
const (
	targetPrefix  = "//sallyport/"
	accountSuffix = ".sallyport"
)

// Target is a role on a resource.
type Target struct {
	Resource sallyport.ResourceID
	Role     sallyport.RoleID
}

// Audience is the target as the audience of an exchange: //sallyport/RESOURCE/ROLE.
func (t Target) Audience() string { return targetPrefix + string(t.Resource) + "/" + string(t.Role) }

// Account is the target as the address of an account: ROLE@RESOURCE.sallyport.
// Clients show it and keep their tokens under it.
func (t Target) Account() string { return string(t.Role) + "@" + string(t.Resource) + accountSuffix }

// ParseAudience reads what [Target.Audience] writes; ok is false for anything
// else.
func ParseAudience(s string) (t Target, ok bool) {
	rest, ok := strings.CutPrefix(s, targetPrefix)
	resource, role, found := strings.Cut(rest, "/")
	t = Target{sallyport.ResourceID(resource), sallyport.RoleID(role)}
	return t, ok && found && t.named()
}

// ParseAccount reads what [Target.Account] writes; ok is false for anything else.
func ParseAccount(s string) (t Target, ok bool) {
	rest, ok := strings.CutSuffix(s, accountSuffix)
	role, resource, found := strings.Cut(rest, "@")
	t = Target{sallyport.ResourceID(resource), sallyport.RoleID(role)}
	return t, ok && found && t.named()
}

// named reports whether both names are such as the configuration can have.
func (t Target) named() bool { return isName(string(t.Resource)) && isName(string(t.Role)) }

const maxName = 63

// isName reports whether s is of the form of a resource's and a role's name, in
// which no separator of the two forms can be.
func isName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
