package loading

import (
	"slices"
	"strings"

	"countersign/internal/cert/client"
	"countersign/internal/config"
	"countersign/internal/config/option"
)

// offers checks the mechanisms of a listener, and brings their names into capitals.
func (v *validator) offers(l *config.Listener, path string) {
	path += ".mechanisms"
	if v.IsSet(path) && len(l.Mechanisms) == 0 && !v.Failed(path) {
		v.Fail(path, "leave it out for all of auth.mechanisms", "must not be empty")
	}
	l.Mechanisms = v.mechanisms(path, l.Mechanisms)
	for i, name := range l.Mechanisms {
		element := option.Element(path, i)
		switch {
		case v.Failed(element):
		case name == "EXTERNAL" && l.ClientCAFile == "":
			v.Fail(element, "set client_ca_file", "EXTERNAL needs a certificate of the client, and none is asked for here")
		case !slices.ContainsFunc(v.c.Auth.Mechanisms, func(m string) bool { return strings.EqualFold(m, name) }):
			v.Warn(element, "add it there", "%s is not among auth.mechanisms, so it is not offered", name)
		}
	}
}

// clients checks whose client certificates a listener takes.
func (v *validator) clients(l *config.Listener, path string) {
	ca, crl, names := path+".client_ca_file", path+".client_crl_file", path+".client_names"
	if v.IsSet(names) && len(l.ClientNames) == 0 && !v.Failed(names) {
		v.Fail(names, `for example ["fingerprint"]`, "must not be empty")
	}
	if l.ClientCAFile == "" {
		if l.ClientCRLFile != "" {
			v.Fail(crl, "set client_ca_file, or remove it", "is for client certificates, and none is asked for here")
		}
		return
	}
	until, wrongCA, wrongCRL := client.Check(l.ClientCAFile, l.ClientCRLFile)
	switch {
	case wrongCA != nil:
		v.Fail(ca, "", "%v", wrongCA)
	case wrongCRL != nil:
		v.Fail(crl, "", "%v", wrongCRL)
	case !until.IsZero() && !v.now.Before(until):
		v.Warn(crl, "renew it", "%s was to be renewed by %s; until then it lets nobody in", l.ClientCRLFile, until.UTC().Format("2006-01-02"))
	}
}
