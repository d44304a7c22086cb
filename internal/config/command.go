// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Command is a template of a command that programs at a target may be run by.
type Command struct {
	// Name is what policies call it: Command::"RESOURCE/NAME".
	Name string `yaml:"name"`
	// Words are literal words and parameters: "{name}" for one plain word,
	// "{name...}" at the end for any number of them.
	Words []string `yaml:"words"`
	// Labels are those of what it prints; none means those of the resource.
	Labels []sallyport.Label `yaml:"labels"`
	// Effect is what it does; empty means execute.
	Effect string `yaml:"effect"`
	// Shell has "sh -c LINE" in a container count as the line, which is parsed. It means
	// nothing for resources of type ssh, where everything is a line.
	Shell bool `yaml:"shell"`
}

// validateCommands checks the templates of a resource. Their words are checked where
// they are compiled.
func validateCommands(key string, commands []Command, f *findings) {
	seen := map[string]bool{}
	for i, c := range commands {
		at := fmt.Sprintf("%s[%d]", key, i)
		checkName(f, at+".name", c.Name)
		if seen[c.Name] && c.Name != "" {
			f.add(at+".name", "%q is there already", clip(c.Name))
		}
		seen[c.Name] = true
		if len(c.Words) == 0 {
			f.add(at+".words", "is missing")
		}
		oneOf(f, at+".effect", c.Effect, "", "read", "write", "delete", "define", "destroy", "execute", "administer")
	}
}
