// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Kubernetes says what a resource of type "kubernetes" is.
type Kubernetes struct {
	// URL is the address of the cluster's API server.
	URL string `yaml:"url"`
	// Auth is how the gateway proves itself, with the resource's credential.
	Auth HTTPAuth `yaml:"auth"`
	// Impersonate says as whom the gateway acts in the cluster.
	Impersonate Impersonation `yaml:"impersonate"`
	// Roles have a credential each, in place of the resource's and of impersonation.
	Roles []KubernetesRole `yaml:"roles"`
	// Labels are those of what the cluster answers.
	Labels []sallyport.Label `yaml:"labels"`
	// Objects say otherwise for some of its objects; the last that fits counts.
	Objects []KubernetesObjects `yaml:"objects"`
	// Secrets is the label of what Secrets hold.
	Secrets sallyport.Label `yaml:"secrets"`
	// Commands are templates of what may be run in containers.
	Commands []Command `yaml:"commands"`
	// Unlisted says what becomes of other commands: "refuse" or "judge", which lets
	// policy decide about Command::"RESOURCE/*".
	Unlisted string `yaml:"unlisted"`
	// Files is what is shown of the files of containers; none where it is not there.
	Files *Files `yaml:"files"`
	// MaxRequest bounds the body of a request.
	MaxRequest Bytes `yaml:"max_request"`
	// Timeout is how long the first byte of an answer may take, and the body of a request.
	Timeout time.Duration `yaml:"timeout"`
}

// Impersonation is whom the gateway acts as in a cluster, so that the cluster's own
// rights hold and its own audit log has the machine's name.
type Impersonation struct {
	// User and Groups are templates in which {principal} and {role} stand for those of
	// the session.
	User   string   `yaml:"user"`
	Groups []string `yaml:"groups"`
	// Off has the gateway act as itself.
	Off bool `yaml:"off"`
}

// KubernetesRole is the credential of a role.
type KubernetesRole struct {
	Role       sallyport.RoleID `yaml:"role"`
	Credential SecretRef        `yaml:"credential"`
}

// KubernetesObjects is what is known of some objects of a cluster.
type KubernetesObjects struct {
	// Namespaces, Resources ("pods", "deployments.apps") and Names; none means all.
	Namespaces []string `yaml:"namespaces"`
	Resources  []string `yaml:"resources"`
	Names      []string `yaml:"names"`
	// Labels are those of what the objects hold.
	Labels []sallyport.Label `yaml:"labels"`
}

func (k *Kubernetes) setDefaults() {
	k.Auth = HTTPAuth{Mode: "bearer"}
	k.Impersonate = Impersonation{User: "sallyport:{principal}", Groups: []string{"sallyport:{role}"}}
	k.Secrets, k.Unlisted, k.MaxRequest, k.Timeout = "secret", "refuse", defaultMaxRequest, defaultTimeout
}

func (k *Kubernetes) validate(key string, r Resource, f *findings) {
	validateURL(key+".url", k.URL, f)
	oneOf(f, key+".auth.mode", k.Auth.Mode, "bearer", "google", "none")
	if len(k.Roles) == 0 {
		k.Auth.validate(key, r, f)
	} else {
		k.validateRoles(key, r, f)
	}
	k.Impersonate.validate(key+".impersonate", f)
	for i, o := range k.Objects {
		if len(o.Labels) == 0 {
			f.add(fmt.Sprintf("%s.objects[%d].labels", key, i), "is missing")
		}
	}
	if k.Secrets == "" {
		f.add(key+".secrets", "is empty; what Secrets hold needs a label")
	}
	validateCommands(key+".commands", k.Commands, f)
	oneOf(f, key+".unlisted", k.Unlisted, "refuse", "judge")
	if k.Files != nil {
		k.Files.validate(key+".files", f)
	}
	if k.MaxRequest < 1 || k.MaxRequest > maxMaxRequest {
		f.add(key+".max_request", "is %v; want 1 to %v", k.MaxRequest, Bytes(maxMaxRequest))
	}
	if k.Timeout < time.Second || k.Timeout > time.Hour {
		f.add(key+".timeout", "is %v; want 1s to 1h", k.Timeout)
	}
}

func (k *Kubernetes) validateRoles(key string, r Resource, f *findings) {
	if k.Auth.Mode != "bearer" {
		f.add(key+".auth.mode", "is %s; roles have tokens, which are of bearer", clip(k.Auth.Mode))
	}
	if r.Credential.Password != "" {
		f.add(key[:strings.LastIndexByte(key, '.')]+".credential", "means nothing where each role has its own")
	}
	seen := map[sallyport.RoleID]bool{}
	for i, x := range k.Roles {
		at := fmt.Sprintf("%s.roles[%d]", key, i)
		checkName(f, at+".role", string(x.Role))
		if seen[x.Role] && x.Role != "" {
			f.add(at+".role", "%q is there already", clip(string(x.Role)))
		}
		seen[x.Role] = true
		if x.Credential == "" {
			f.add(at+".credential", `is missing; refer to it by "vault:NAME", "env:NAME" or "file:PATH"`)
		}
	}
}

func (i Impersonation) validate(key string, f *findings) {
	if i.Off {
		return
	}
	if i.User == "" {
		f.add(key+".user", "is missing; off: true has the gateway act as itself")
	}
	for j, name := range append([]string{i.User}, i.Groups...) {
		at := key + ".user"
		if j > 0 {
			at = fmt.Sprintf("%s.groups[%d]", key, j-1)
		}
		switch {
		case strings.HasPrefix(name, "system:"):
			f.add(at, "begins with system:, which is the cluster's own")
		case strings.HasPrefix(name, "{"):
			f.add(at, "begins with what a session brings; put a prefix of your own before it, so that it can be nobody else of the cluster")
		case strings.ContainsAny(name, "\r\n"), j > 0 && name == "":
			f.add(at, "is no name")
		}
	}
}
