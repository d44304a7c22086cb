// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
)

// settings say which gateway a command speaks to, and as whom. What a flag gives
// goes before the environment, and that before the profile.
type settings struct {
	server, ca, token string
}

// client adds the flags of commands that speak to a gateway.
func (a *app) client(cmd *cobra.Command) *cobra.Command {
	f := cmd.PersistentFlags()
	f.StringVar(&a.settings.server, "server", "", "URL of the gateway's API (SALLYPORT_SERVER)")
	f.StringVar(&a.settings.ca, "ca", "", "file with the authority of the gateway's certificate (SALLYPORT_CA)")
	f.StringVar(&a.settings.token, "token", "", "token, @FILE, or - for standard input (SALLYPORT_TOKEN, SALLYPORT_TOKEN_FILE)")
	return cmd
}

// profile is what "login" remembers.
type profile struct {
	Server    string `json:"server"`
	CA        string `json:"ca,omitempty"`
	TokenFile string `json:"token_file,omitempty"`
	// Token is kept only when it was not in a file.
	Token string `json:"token,omitempty"`
}

// maxSmall bounds what is read of tokens, profiles and authorities.
const maxSmall = 1 << 20

// profilePath is where the profile lies: SALLYPORT_PROFILE, else in the user's
// directory for configuration (XDG Base Directory).
func (a *app) profilePath() (string, error) {
	if p := a.Getenv("SALLYPORT_PROFILE"); p != "" {
		return p, nil
	}
	dir := a.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := a.Getenv("HOME")
		if home == "" {
			return "", sallyport.E(sallyport.Invalid, "profile", "there is no directory for the profile").
				WithHint("set SALLYPORT_PROFILE, XDG_CONFIG_HOME or HOME")
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "sallyport", "profile.json"), nil
}

// readProfile returns the profile, or an empty one when there is none.
func (a *app) readProfile() (profile, error) {
	var p profile
	path, err := a.profilePath()
	if err != nil {
		return p, nil // without a place for it there is none
	}
	b, mode, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, sallyport.E(sallyport.Invalid, "profile", "the profile cannot be read").Because(err)
	}
	if mode.Perm()&0o077 != 0 {
		return p, sallyport.E(sallyport.Invalid, "profile", "others may read the profile "+path).WithHint("chmod 600 " + path)
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return profile{}, sallyport.E(sallyport.Invalid, "profile", "the profile "+path+" is malformed").
			WithHint("remove it and run: sallyport login")
	}
	return p, nil
}

// writeProfile replaces the profile; nobody else may read it.
func (a *app) writeProfile(p profile) (string, error) {
	path, err := a.profilePath()
	if err != nil {
		return "", err
	}
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return "", sallyport.E(sallyport.Internal, "profile", "the profile is no JSON").Because(err)
	}
	err = os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = replaceFile(path, append(b, '\n'))
	}
	if err != nil {
		return "", sallyport.E(sallyport.Unavailable, "profile", "the profile cannot be written").Because(err)
	}
	return path, nil
}

// replaceFile writes a file of mode 0600 in one step, so that nobody ever sees
// half of it.
func replaceFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".sallyport-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func readSmall(path string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	var b []byte
	if err == nil {
		b, err = io.ReadAll(io.LimitReader(f, maxSmall+1))
	}
	if err == nil && len(b) > maxSmall {
		err = errors.New("the file is too large")
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, 0, err
	}
	return b, info.Mode(), nil
}

// target is what settings come to.
type target struct {
	server, ca string
	token      string
	tokenFile  string // absolute, when the token came from a file
}

// resolve settles where to and as whom. The profile's token and authority are
// for the profile's gateway alone: another server never gets to see them.
func (a *app) resolve() (target, error) {
	p, err := a.readProfile()
	if err != nil {
		return target{}, err
	}
	t := target{server: first(a.settings.server, a.Getenv("SALLYPORT_SERVER"), p.Server)}
	if t.server == "" {
		return t, sallyport.E(sallyport.Invalid, "client", "no gateway is named").
			WithHint("give --server URL, set SALLYPORT_SERVER, or run: sallyport login --server URL --ca FILE --token-file FILE")
	}
	if strings.TrimRight(t.server, "/") != strings.TrimRight(p.Server, "/") {
		p = profile{}
	}
	t.ca = first(a.settings.ca, a.Getenv("SALLYPORT_CA"), p.CA)
	switch {
	case a.settings.token == "-":
		b, rerr := io.ReadAll(io.LimitReader(a.Stdin, maxSmall))
		t.token, err = strings.TrimSpace(string(b)), rerr
	case strings.HasPrefix(a.settings.token, "@"):
		err = t.readToken(a.settings.token[1:])
	case a.settings.token != "":
		t.token = a.settings.token
	case a.Getenv("SALLYPORT_TOKEN") != "":
		t.token = a.Getenv("SALLYPORT_TOKEN")
	case a.Getenv("SALLYPORT_TOKEN_FILE") != "":
		err = t.readToken(a.Getenv("SALLYPORT_TOKEN_FILE"))
	case p.TokenFile != "":
		err = t.readToken(p.TokenFile)
	default:
		t.token = p.Token
	}
	if err != nil {
		return t, sallyport.E(sallyport.Invalid, "client", "the token cannot be read").Because(err)
	}
	if t.token == "" {
		return t, sallyport.E(sallyport.Unauthenticated, "client", "there is no token to authenticate with").
			WithHint("give --token @FILE, set SALLYPORT_TOKEN_FILE, or run: sallyport login")
	}
	if strings.ContainsFunc(t.token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return t, sallyport.E(sallyport.Invalid, "client", "the token has characters that no token has").
			WithHint("the file must hold the token and nothing else")
	}
	return t, nil
}

func (t *target) readToken(path string) error {
	b, _, err := readSmall(path)
	if err != nil {
		return err
	}
	t.token = strings.TrimSpace(string(b))
	t.tokenFile, err = filepath.Abs(path)
	return err
}

// first returns the first text that is not empty.
func first(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}
