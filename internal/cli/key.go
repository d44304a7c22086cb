// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

// keyBits is the size of new keys. Every client of Google Cloud can sign with RSA,
// few with anything else.
const keyBits = 3072

// keyFlags are the flags of "identity new-key".
type keyFlags struct {
	id, principal, kind string
	groups              []string
	resource, role      string
	file                string
	project             string
	expires             string
}

func (a *app) keyCommand() *cobra.Command {
	var f keyFlags
	cmd := a.command("new-key", "Make a key file for clients that know nothing but those of service accounts", cobra.NoArgs,
		func(context.Context, []string) error { return a.identityKey(f) })
	cmd.Long = "Make a key that a workload signs its logins with, in a file of the form of a service account's key, good for one resource and\n" +
		"role, and print the entry of identity.keys for the gateway's configuration. The gateway is not asked, and never gets the\n" +
		"private half. A key that stays the same for years is the weakest login there is: prefer a token of the machine's own issuer."
	cmd.Flags().StringVar(&f.id, "id", "", "name of the key, such as etl-2026")
	cmd.Flags().StringVar(&f.principal, "principal", "", "who signs with it (key: and the id)")
	cmd.Flags().StringVar(&f.kind, "kind", string(sallyport.ServiceAccount), "service-account, ci-job, ai-agent or human")
	cmd.Flags().StringSliceVar(&f.groups, "group", nil, "group of the principal; may be repeated")
	cmd.Flags().StringVar(&f.resource, "resource", "", "resource")
	cmd.Flags().StringVar(&f.role, "role", "", "role")
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "file to write the key to")
	cmd.Flags().StringVar(&f.project, "project", "", "project of Google Cloud that clients ask in")
	cmd.Flags().StringVar(&f.expires, "expires", "", "day from which on the key is refused, such as 2027-01-31")
	return cmd
}

// keyFile is a key file in the form of a service account's.
type keyFile struct {
	Type         string `json:"type"`
	ProjectID    string `json:"project_id,omitempty"`
	PrivateKeyID string `json:"private_key_id"`
	PrivateKey   string `json:"private_key"`
	ClientEmail  string `json:"client_email"`
	ClientID     string `json:"client_id"`
	AuthURI      string `json:"auth_uri"`
	TokenURI     string `json:"token_uri"`
}

// identityKey makes the key, its file and its entry.
func (a *app) identityKey(f keyFlags) error {
	if f.id == "" || f.resource == "" || f.role == "" || f.file == "" {
		return usage("name --id, --resource, --role and -f FILE")
	}
	format, err := a.format()
	if err != nil {
		return err
	}
	p, err := a.readProfile()
	if err != nil {
		return err
	}
	server := strings.TrimRight(first(a.settings.server, a.Getenv("SALLYPORT_SERVER"), p.Server), "/")
	if !strings.HasPrefix(server, "https://") {
		return usage("name the gateway with --server https://HOST:PORT; clients send what the key signed there")
	}
	file, entry, err := a.newKeyFile(f)
	if err != nil {
		return err
	}
	file.AuthURI, file.TokenURI = server, server+tokenPath
	if _, err := os.Lstat(f.file); err == nil {
		return sallyport.E(sallyport.Conflict, "identity", "the file is there already").WithHint("choose another name; a key is not overwritten")
	}
	if err := writePrivate(f.file, file); err != nil {
		return err
	}
	fmt.Fprintf(a.Stderr, "made the key %s; whoever has it is %s. The entry of identity.keys:\n", clean(f.file), clean(string(entry.Principal)))
	return a.showKey(format, entry)
}

// newKeyFile makes a key: its file, but for the addresses, and its entry.
func (a *app) newKeyFile(f keyFlags) (keyFile, identity.Key, error) {
	fail := func(err error) (keyFile, identity.Key, error) {
		return keyFile{}, identity.Key{}, sallyport.E(sallyport.Internal, "identity", "the key cannot be made").Because(err)
	}
	target := identity.Target{Resource: sallyport.ResourceID(f.resource), Role: sallyport.RoleID(f.role)}
	if _, ok := identity.ParseAccount(target.Account()); !ok {
		return keyFile{}, identity.Key{}, usage("--resource and --role are no names that a configuration can have")
	}
	key, err := rsa.GenerateKey(a.Rand, keyBits)
	if err != nil {
		return fail(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fail(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fail(err)
	}
	entry := identity.Key{
		ID: f.id, Principal: sallyport.PrincipalID(first(f.principal, "key:"+f.id)), Kind: sallyport.PrincipalKind(f.kind), Groups: f.groups,
		Expires: f.expires, PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
	}
	if problems := (identity.Config{Keys: []identity.Key{entry}}).Validate(); len(problems) > 0 {
		return keyFile{}, identity.Key{}, usage("%s", strings.TrimPrefix(problems[0].Error(), "keys[0]."))
	}
	return keyFile{
		Type: "service_account", ProjectID: f.project, PrivateKeyID: f.id, ClientEmail: target.Account(), ClientID: f.id,
		PrivateKey: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
	}, entry, nil
}

// showKey prints an entry of the configuration.
func (a *app) showKey(format string, k identity.Key) error {
	switch format {
	case "json":
		return writeJSON(a.Stdout, map[string]any{
			"id": k.ID, "principal": k.Principal, "kind": k.Kind, "groups": k.Groups, "expires": k.Expires, "public_key": k.PublicKey,
		})
	case "csv":
		return table{head: []string{"ID", "PRINCIPAL", "KIND", "GROUPS", "EXPIRES", "PUBLIC KEY"}, rows: [][]string{
			{k.ID, string(k.Principal), string(k.Kind), list(k.Groups), k.Expires, k.PublicKey},
		}}.csv(a.Stdout)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "- id: %s\n  principal: %q\n  kind: %s\n", k.ID, k.Principal, k.Kind)
	if len(k.Groups) > 0 {
		b.WriteString("  groups:\n")
		for _, g := range k.Groups {
			fmt.Fprintf(&b, "    - %q\n", g)
		}
	}
	if k.Expires != "" {
		fmt.Fprintf(&b, "  expires: %q\n", k.Expires)
	}
	b.WriteString("  public_key: |\n    " + strings.ReplaceAll(strings.TrimSpace(k.PublicKey), "\n", "\n    ") + "\n")
	_, err := a.Stdout.Write([]byte(b.String()))
	return err
}
