// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh

import (
	"time"

	"golang.org/x/crypto/ssh"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/files"
	"github.com/sallyport-dev/sallyport/internal/analyze/shell"
	"github.com/sallyport-dev/sallyport/internal/connector/ssh/sftp"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/terminal"
)

// Auth says what the credential of a target is.
type Auth string

// The ways to log in to a target.
const (
	Password    Auth = "password"    // the account's password
	Key         Auth = "key"         // a private key, in PEM
	Certificate Auth = "certificate" // the private key of an authority, which signs a key for each session
)

// TargetConfig says where a target is and what may be done there.
type TargetConfig struct {
	Resource sallyport.ResourceID
	Address  string
	User     string
	Auth     Auth
	HostKeys []ssh.PublicKey // the target has one of them, or is another one
	Commands *shell.Commands
	Shell    *shell.Commands // what an interactive shell is judged by
	Env      []string        // names of variables that pass
	Forward  []string        // host:port that connections may be made to from the target
	Input    bool            // record what is typed
	// Keepalive is the pace at which both sides are asked for a sign of life; 0 is
	// never.
	Keepalive time.Duration
	Masking   *rules.Set
	// Layout is what is shown of the target's files, and Files serves them. Without
	// them there are none.
	Layout *files.Layout
	Files  *sftp.Relay
}

// Target is what all sessions on one resource share.
type Target struct {
	cfg   TargetConfig
	masks *terminal.Masks
}

// NewTarget returns a target.
func NewTarget(cfg TargetConfig) (*Target, error) {
	if len(cfg.HostKeys) == 0 {
		return nil, sallyport.E(sallyport.Invalid, "resource", "the resource "+string(cfg.Resource)+" pins no host key").
			WithHint("give the target's keys in ssh.host_keys, as ssh-keyscan prints them, compared with those on the target itself")
	}
	m, err := terminal.New(cfg.Masking)
	if err != nil {
		return nil, err
	}
	return &Target{cfg: cfg, masks: m}, nil
}
