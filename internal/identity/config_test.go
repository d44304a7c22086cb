// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

const example = `
issuers:
  - name: github
    url: https://token.actions.githubusercontent.com
    audiences: [https://gateway.example]
    algorithms: [RS256]
    max_lifetime: 15m
    skew: 0s
    keys: {refresh: 5m, stale: 2h}
    map:
      - when: {repository_owner_id: "123", environment: [production, staging]}
        principal: "ci:{repository}"
        kind: ci-job
        groups: [ci]
        attributes: [repository, workflow, run_id, actor, sha]
  - name: cluster
    url: https://kubernetes.default.svc
    audiences: [gateway]
    algorithms: [RS256, ES256]
    token_types: [""]
    ca_file: /etc/sallyport/cluster.pem
    map:
      - principal: "k8s:{/kubernetes.io/namespace}:{/kubernetes.io/serviceaccount/name}"
        kind: service-account
tokens:
  lifetime: 5m
`

func TestConfigFromYAML(t *testing.T) {
	t.Parallel()
	var got identity.Config
	d := yaml.NewDecoder(strings.NewReader(example))
	d.KnownFields(true)
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	zero := time.Duration(0)
	want := identity.Config{
		Issuers: []identity.Issuer{
			{
				Name: "github", URL: "https://token.actions.githubusercontent.com", Audiences: []string{"https://gateway.example"},
				Algorithms: []string{"RS256"}, MaxLifetime: 15 * time.Minute, Skew: &zero,
				Keys: identity.Keys{Refresh: 5 * time.Minute, Stale: 2 * time.Hour},
				Map: []identity.Rule{{
					When:      map[string]identity.Values{"repository_owner_id": {"123"}, "environment": {"production", "staging"}},
					Principal: "ci:{repository}", Kind: sallyport.CIJob, Groups: []string{"ci"},
					Attributes: []string{"repository", "workflow", "run_id", "actor", "sha"},
				}},
			},
			{
				Name: "cluster", URL: "https://kubernetes.default.svc", Audiences: []string{"gateway"}, Algorithms: []string{"RS256", "ES256"},
				TokenTypes: []string{""}, CAFile: "/etc/sallyport/cluster.pem",
				Map: []identity.Rule{{Principal: "k8s:{/kubernetes.io/namespace}:{/kubernetes.io/serviceaccount/name}", Kind: sallyport.ServiceAccount}},
			},
		},
		Tokens: identity.TokenConfig{Lifetime: 5 * time.Minute},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("config (-want +got):\n%s", d)
	}
	if p := got.Validate(); len(p) != 0 {
		t.Errorf("problems: %v", p)
	}
}

func TestConfigProblems(t *testing.T) {
	t.Parallel()
	type config = identity.Config
	tests := map[string]struct {
		spoil func(*config)
		want  string
	}{
		"no issuers":         {func(c *config) { c.Issuers = nil }, "issuers: no issuer"},
		"no name":            {func(c *config) { c.Issuers[0].Name = "" }, "issuers[0].name: missing"},
		"name twice":         {func(c *config) { c.Issuers[1].Name = "a" }, `issuers[1].name: "a" is used twice`},
		"url twice":          {func(c *config) { c.Issuers[1].URL = c.Issuers[0].URL }, "issuers[1].url"},
		"http":               {func(c *config) { c.Issuers[0].URL = "http://a.example" }, "is not https"},
		"http loopback":      {func(c *config) { c.Issuers[0].URL = "http://127.0.0.1:8080" }, "allow_loopback_http"},
		"http not loopback":  {func(c *config) { c.Issuers[0].URL, c.Issuers[0].AllowLoopbackHTTP = "http://10.0.0.1", true }, "is not https"},
		"url with query":     {func(c *config) { c.Issuers[0].URL += "?x=1" }, "issuers[0].url"},
		"url with user":      {func(c *config) { c.Issuers[0].URL = "https://u:hunter2@a.example" }, "issuers[0].url"},
		"url relative":       {func(c *config) { c.Issuers[0].URL = "a.example" }, "not an absolute URL"},
		"no audience":        {func(c *config) { c.Issuers[0].Audiences = nil }, "issuers[0].audiences"},
		"empty audience":     {func(c *config) { c.Issuers[0].Audiences = []string{""} }, "issuers[0].audiences"},
		"no algorithm":       {func(c *config) { c.Issuers[0].Algorithms = nil }, "issuers[0].algorithms"},
		"alg none":           {func(c *config) { c.Issuers[0].Algorithms = []string{"none"} }, `"none" is not one of`},
		"alg HS256":          {func(c *config) { c.Issuers[0].Algorithms = []string{"RS256", "HS256"} }, `"HS256" is not one of`},
		"lifetime":           {func(c *config) { c.Issuers[0].MaxLifetime = 25 * time.Hour }, "issuers[0].max_lifetime"},
		"skew":               {func(c *config) { d := 61 * time.Second; c.Issuers[0].Skew = &d }, "issuers[0].skew"},
		"stale":              {func(c *config) { c.Issuers[0].Keys.Stale = time.Minute }, "issuers[0].keys.stale"},
		"negative":           {func(c *config) { c.Issuers[0].Keys.Refresh = -1 }, "issuers[0].keys"},
		"no rules":           {func(c *config) { c.Issuers[0].Map = nil }, "issuers[0].map"},
		"kind":               {func(c *config) { c.Issuers[0].Map[0].Kind = "robot" }, "issuers[0].map[0].kind"},
		"no template":        {func(c *config) { c.Issuers[0].Map[0].Principal = "" }, "issuers[0].map[0].principal"},
		"open brace":         {func(c *config) { c.Issuers[0].Map[0].Principal = "a:{sub" }, "without its }"},
		"close brace":        {func(c *config) { c.Issuers[0].Map[0].Principal = "a:sub}" }, "without its {"},
		"empty claim":        {func(c *config) { c.Issuers[0].Map[0].Principal = "a:{}" }, "name is missing"},
		"side by side":       {func(c *config) { c.Issuers[0].Map[0].Principal = "a:{b}{c}" }, "side by side"},
		"bad pointer":        {func(c *config) { c.Issuers[0].Map[0].Principal = "a:{/x~2}" }, "JSON Pointer"},
		"all the same":       {func(c *config) { c.Issuers[0].Map[0].Principal = "a:x" }, "same principal"},
		"no values":          {func(c *config) { c.Issuers[0].Map[0].When = map[string]identity.Values{"x": nil} }, "no value"},
		"bad group":          {func(c *config) { c.Issuers[0].Map[0].Groups = []string{"a\n"} }, "issuers[0].map[0].groups"},
		"bad groups claim":   {func(c *config) { c.Issuers[0].Map[0].GroupsClaim = "/" }, "groups_claim"},
		"attribute twice":    {func(c *config) { c.Issuers[0].Map[0].Attributes = []string{"a", "/x/a"} }, `attribute "a"`},
		"overlap":            {func(c *config) { c.Issuers[1].Map[0].Principal = "a:b:{sub}" }, "can name the same principal"},
		"overlap everything": {func(c *config) { c.Issuers[1].Map[0].Principal = "{sub}" }, "can name the same principal"},
		"overlap constant": {func(c *config) {
			c.Issuers[1].Map[0] = identity.Rule{Principal: "a:root", Kind: sallyport.Human, When: map[string]identity.Values{"x": {"1"}}}
		}, "can name the same principal"},
		"token lifetime": {func(c *config) { c.Tokens.Lifetime = 16 * time.Minute }, "tokens.lifetime"},
		"token limit":    {func(c *config) { c.Tokens.MaxPerPrincipal = -1 }, "tokens.max_per_principal"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config{}
			for _, n := range []string{"a", "b"} {
				c.Issuers = append(c.Issuers, identity.Issuer{
					Name: n, URL: "https://" + n + ".example", Audiences: []string{audience}, Algorithms: []string{"RS256"},
					Map: []identity.Rule{{Principal: n + ":{sub}", Kind: sallyport.CIJob}},
				})
			}
			if p := c.Validate(); len(p) != 0 {
				t.Fatalf("the unspoilt configuration has problems: %v", p)
			}
			tt.spoil(&c)
			problems := c.Validate()
			found := false
			for _, p := range problems {
				found = found || strings.Contains(p.Error(), tt.want)
				if strings.Contains(p.Error(), "hunter2") {
					t.Error("a password is in the problem's text")
				}
			}
			if !found {
				t.Errorf("no problem says %q: %v", tt.want, problems)
			}
			if _, err := identity.New(t.Context(), c, identity.Deps{Journal: &journal{}}); err == nil {
				t.Error("New accepted it")
			}
		})
	}
}

// TestConfigReportsAll: every problem is told at once.
func TestConfigReportsAll(t *testing.T) {
	t.Parallel()
	c := identity.Config{Issuers: []identity.Issuer{{}}, Tokens: identity.TokenConfig{Lifetime: time.Hour}}
	if n := len(c.Validate()); n < 6 {
		t.Errorf("%d problems, want at least 6: %v", n, c.Validate())
	}
}
