// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package vault_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/vault"
)

// TestNothingPrints formats everything that holds a secret, in every way that
// code comes to print a value, also buried in other types' unexported fields.
func TestNothingPrints(t *testing.T) {
	t.Parallel()
	const canary = "CANARY-hunter2"
	o, _ := options(t, t.TempDir())
	v := open(t, o)
	put(t, v, "a", "app", canary)
	lease, err := v.Lease(t.Context(), "vault:a")
	if err != nil {
		t.Fatal(err)
	}
	secret := vault.NewSecret([]byte(canary))
	cred := vault.Credential{Username: "app", Secret: secret}
	key, _, err := v.NewDataKey(vault.PurposeText)
	if err != nil {
		t.Fatal(err)
	}
	type buried struct {
		secret vault.Secret
		lease  *vault.Lease
		Public vault.Credential
	}
	values := map[string]any{
		"secret": secret, "secret pointer": &secret, "credential": cred, "credential pointer": &cred, "lease": lease,
		"buried": buried{secret, lease, cred}, "map": map[string]any{"x": cred, "y": secret}, "slice": []vault.Credential{cred}, "vault": v, "key": key,
	}
	forms := []string{
		canary, "CANARY", hex.EncodeToString([]byte(canary)), strings.ToUpper(hex.EncodeToString([]byte(canary))),
		strings.Trim(fmt.Sprint([]byte(canary)), "[]"), "0x43, 0x41, 0x4e", "Q0FOQVJZ",
	}
	for name, x := range values {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T", "%08.3f", "%!"} {
			fmt.Fprintf(&out, verb+"\n", x)
		}
		if b, err := json.Marshal(x); err == nil {
			out.Write(b)
		}
		if b, err := xml.Marshal(x); err == nil {
			out.Write(b)
		}
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("x", "value", x, slog.Group("g", "value", x))
		}
		fmt.Fprintln(&out, fmt.Errorf("wrapped: %v", x))
		for _, f := range forms {
			if strings.Contains(out.String(), f) {
				t.Errorf("%s prints its secret as %q:\n%s", name, f, out.String())
				break
			}
		}
	}
	if got := fmt.Sprint(secret, cred, lease); got != "[secret] [secret] [secret]" {
		t.Errorf("printed %q", got)
	}
}

func TestSecretIsACopy(t *testing.T) {
	t.Parallel()
	b := []byte("password")
	o, _ := options(t, t.TempDir())
	v := open(t, o)
	c := vault.Credential{Secret: vault.NewSecret(b)}
	clear(b)
	if err := v.Put("a", c); err != nil {
		t.Fatal(err)
	}
	l, err := v.Lease(t.Context(), "vault:a")
	if err != nil {
		t.Fatal(err)
	}
	if string(l.Password()) != "password" {
		t.Error("the secret shares its bytes with the caller")
	}
	if !(vault.Secret{}).Empty() || c.Secret.Empty() {
		t.Error("Empty is wrong")
	}
}

func TestRefText(t *testing.T) {
	t.Parallel()
	var r vault.Ref
	if err := r.UnmarshalText([]byte("vault:clinic")); err != nil || r != "vault:clinic" {
		t.Errorf("UnmarshalText = %q, %v", r, err)
	}
	if err := r.UnmarshalText([]byte("hunter2")); err == nil || strings.Contains(err.Error(), "hunter2") || r != "vault:clinic" {
		t.Errorf("UnmarshalText of a password = %q, %v", r, err)
	}
}
