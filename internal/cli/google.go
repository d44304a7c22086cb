// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

// googleLogin are the flags of "login" that are about clients of Google Cloud.
type googleLogin struct {
	resource, role string
	// url, headers and field say where these clients fetch the token of their
	// environment, when it lies in no file.
	url     string
	headers []string
	field   string
}

func (g *googleLogin) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&g.resource, "resource", "", "write what clients of this resource need: a kubeconfig, or credentials for clients of Google Cloud")
	cmd.Flags().StringVar(&g.role, "role", "", "and for this role")
	cmd.Flags().StringVar(&g.url, "token-url", "", "where these clients fetch your token, when it is in no file")
	cmd.Flags().StringArrayVar(&g.headers, "token-url-header", nil, "NAME: VALUE that they send there; may be repeated")
	cmd.Flags().StringVar(&g.field, "token-url-field", "", "member of the JSON answer that is the token; the whole answer unless given")
}

func (g *googleLogin) check() error {
	if (g.resource == "") != (g.role == "") {
		return usage("name --resource and --role, or neither")
	}
	if g.resource == "" && (g.url != "" || len(g.headers) > 0 || g.field != "") {
		return usage("--token-url is for the credentials of --resource and --role")
	}
	if g.url == "" && (len(g.headers) > 0 || g.field != "") {
		return usage("--token-url-header and --token-url-field go with --token-url")
	}
	if g.url == "" {
		return nil
	}
	u, err := url.Parse(g.url)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return usage("--token-url must be a URL such as http://127.0.0.1:8888/token")
	}
	for _, h := range g.headers {
		if name, _, ok := strings.Cut(h, ":"); !ok || strings.TrimSpace(name) == "" {
			return usage("--token-url-header must be NAME: VALUE")
		}
	}
	return nil
}

// external is a file of the type external_account, which every client of Google
// Cloud reads: whom to ask for an access token, and where the token is that the
// workload has from its own issuer.
type external struct {
	Type             string         `json:"type"`
	Audience         string         `json:"audience"`
	SubjectTokenType string         `json:"subject_token_type"`
	TokenURL         string         `json:"token_url"`
	TokenInfoURL     string         `json:"token_info_url"`
	Source           externalSource `json:"credential_source"`
}

// externalSource names a file or a URL.
type externalSource struct {
	File    string            `json:"file,omitempty"`
	URL     string            `json:"url,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Format  externalFormat    `json:"format"`
}

type externalFormat struct {
	Type  string `json:"type"` // "text" or "json"
	Field string `json:"subject_token_field_name,omitempty"`
}

// newExternal makes the file's content. No secret is in it unless a header of the
// token's URL is one.
func newExternal(c *client, g googleLogin) (external, error) {
	base := strings.TrimRight(c.base.String(), "/")
	e := external{
		Type: "external_account", SubjectTokenType: identity.TokenTypeJWT, TokenURL: base + tokenPath, TokenInfoURL: base + introspectPath,
		Audience: identity.Target{Resource: sallyport.ResourceID(g.resource), Role: sallyport.RoleID(g.role)}.Audience(),
		Source:   externalSource{Format: externalFormat{Type: "text"}},
	}
	switch {
	case g.url != "":
		e.Source.URL = g.url
		if g.field != "" {
			e.Source.Format = externalFormat{Type: "json", Field: g.field}
		}
		for _, h := range g.headers {
			name, value, _ := strings.Cut(h, ":")
			if e.Source.Headers == nil {
				e.Source.Headers = map[string]string{}
			}
			e.Source.Headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	case c.tokenFile != "":
		e.Source.File = c.tokenFile
	default:
		return e, sallyport.E(sallyport.Invalid, "login", "clients of Google Cloud read the token themselves, and it is in no file").
			WithHint("name its file with --token-file, or where it is fetched with --token-url")
	}
	return e, nil
}

// writeExternal writes the file beside the profile.
func (a *app) writeExternal(c *client, g googleLogin) error {
	e, err := newExternal(c, g)
	if err != nil {
		return err
	}
	path, err := a.externalPath(g.resource, g.role)
	if err != nil {
		return err
	}
	if err := writePrivate(path, e); err != nil {
		return err
	}
	fmt.Fprintf(a.Stderr, "credentials for clients of Google Cloud are in %s; what to set: sallyport env %s --role %s\n",
		clean(path), clean(g.resource), clean(g.role))
	return nil
}

// externalPath is where the file for a role on a resource lies.
func (a *app) externalPath(resource, role string) (string, error) {
	t := identity.Target{Resource: sallyport.ResourceID(resource), Role: sallyport.RoleID(role)}
	if _, ok := identity.ParseAccount(t.Account()); !ok {
		return "", sallyport.E(sallyport.Invalid, "login", "these are no names of a resource and a role").WithHint("see: sallyport resource list")
	}
	p, err := a.profilePath()
	if err != nil {
		return "", err
	}
	if p, err = filepath.Abs(p); err != nil {
		return "", sallyport.E(sallyport.Invalid, "login", "the profile's path cannot be made absolute").Because(err)
	}
	return filepath.Join(filepath.Dir(p), "google", resource+"."+role+".json"), nil
}

// writePrivate writes a file of JSON that only its owner may read.
func writePrivate(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return sallyport.E(sallyport.Internal, "write", "the file's content is no JSON").Because(err)
	}
	err = os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = replaceFile(path, append(b, '\n'))
	}
	if err != nil {
		return sallyport.E(sallyport.Unavailable, "write", "the file cannot be written").Because(err)
	}
	return nil
}

// googleClients are the clients whose variables are known.
func googleClients() []string { return []string{"bq", "gcloud", "go", "node", "python", "java"} }

// googleEnv is what clients of Google Cloud need for a resource of the type
// bigquery or gcs, whose front is at address.
func (a *app) googleEnv(r resourceInfo, address, ca string, f envFlags) (environment, error) {
	for _, name := range f.clients {
		if !slices.Contains(googleClients(), name) {
			return environment{}, usage("--client can be %s", strings.Join(googleClients(), ", "))
		}
	}
	g := googleSettings{kind: r.Type, base: "https://" + address, ca: ca, sidecar: f.sidecar, project: f.project}
	if g.sidecar != "" {
		return g.environment(f.clients), nil
	}
	var err error
	if g.file, err = a.externalPath(r.Name, f.role); err != nil {
		return environment{}, err
	}
	if _, err := os.Stat(g.file); err != nil {
		return environment{}, sallyport.E(sallyport.NotFound, "env", "there are no credentials for clients of Google Cloud yet").
			WithHint("run: sallyport login --resource " + r.Name + " --role " + f.role).Because(err)
	}
	return g.environment(f.clients), nil
}

// googleSettings are what the variables of clients of Google Cloud are made of.
type googleSettings struct {
	kind    string // of the resource: "bigquery" or "gcs"
	base    string // URL of the gateway's front, without a slash at its end
	ca      string // file with its authority; "" for the system's
	file    string // external_account; "" with a sidecar
	sidecar string
	project string
}

// environment returns the variables for clients, each name once.
func (g googleSettings) environment(clients []string) environment {
	var e environment
	add := func(name, value string) {
		if value != "" && !slices.ContainsFunc(e.vars, func(v []string) bool { return v[0] == name }) {
			e.vars = append(e.vars, []string{name, value})
		}
	}
	for _, c := range clients {
		add("GCE_METADATA_HOST", g.sidecar)
		switch c {
		case "bq", "gcloud":
			g.cloudSDK(add)
			continue
		case "go":
			add("SSL_CERT_FILE", g.ca)
		case "node":
			add("NODE_EXTRA_CA_CERTS", g.ca)
			if g.sidecar != "" {
				add("METADATA_SERVER_DETECTION", "assume-present")
			}
		case "python":
			add("REQUESTS_CA_BUNDLE", g.ca)
			add("GCE_METADATA_IP", g.sidecar) // where it looks whether there is a server
		}
		if g.kind == "bigquery" && (c == "node" || c == "python") {
			add("BIGQUERY_EMULATOR_HOST", g.base)
		}
		add("GOOGLE_APPLICATION_CREDENTIALS", g.file)
		add("GOOGLE_CLOUD_PROJECT", g.project)
		if note := g.note(c); note != "" {
			e.notes = append(e.notes, c+": "+note)
		}
	}
	return e
}

// cloudSDK is for bq and gcloud. They take the credentials' file from a property,
// so that no account is kept on the machine.
func (g googleSettings) cloudSDK(add func(name, value string)) {
	add("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", g.file)
	// gcloud has two further names for the server, for where it probes and where it asks.
	add("GCE_METADATA_ROOT", g.sidecar)
	add("GCE_METADATA_IP", g.sidecar)
	// With a longer path bq would have it twice.
	if g.kind == "bigquery" {
		add("CLOUDSDK_API_ENDPOINT_OVERRIDES_BIGQUERY", g.base+"/")
	} else {
		add("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", g.base+"/storage/v1/")
	}
	add("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", g.ca)
	add("CLOUDSDK_CORE_PROJECT", g.project)
}

// note says what a client has no variable for. STORAGE_EMULATOR_HOST is no way:
// clients send no token to it.
func (g googleSettings) note(client string) string {
	switch client + " " + g.kind {
	case "go bigquery":
		return fmt.Sprintf("bigquery.NewClient(ctx, project, option.WithEndpoint(%q))", g.base+"/bigquery/v2/")
	case "go gcs":
		return fmt.Sprintf("storage.NewClient(ctx, option.WithEndpoint(%q))", g.base+"/storage/v1/")
	case "node gcs":
		return fmt.Sprintf("new Storage({apiEndpoint: '%s', useAuthWithCustomEndpoint: true})", g.base)
	case "python gcs":
		return fmt.Sprintf("storage.Client(client_options={\"api_endpoint\": %q})", g.base)
	case "java bigquery":
		return fmt.Sprintf("BigQueryOptions.newBuilder().setHost(%q)%s", g.base, g.trust())
	case "java gcs":
		return fmt.Sprintf("StorageOptions.newBuilder().setHost(%q)%s", g.base, g.trust())
	}
	return ""
}

// trust is how a JVM comes to know the gateway's authority.
func (g googleSettings) trust() string {
	if g.ca == "" {
		return ""
	}
	return "; trust the gateway's authority: keytool -importcert -noprompt -alias sallyport -storepass changeit -keystore sallyport.p12 -file " +
		quote(g.ca) + "; JAVA_TOOL_OPTIONS='-Djavax.net.ssl.trustStore=sallyport.p12 -Djavax.net.ssl.trustStorePassword=changeit'"
}
