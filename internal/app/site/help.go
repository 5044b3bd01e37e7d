package site

import (
	"net"
	"net/url"

	"countersign/internal/config"
	"countersign/internal/web/help"
)

// Help returns what the configuration says of the help pages. address is the one at which
// they are served, "" where they are not. Errors are those of help.ReadPages.
func Help(c *config.Config, address string) (help.Options, error) {
	o := help.Options{
		URL: served(c.Help.URL, address), Name: c.Help.Name, Contact: c.Help.Contact, Phone: c.Help.Phone, Page: c.Help.Page,
	}
	if o.Name == "" {
		o.Name = c.Hostname
	}
	var err error
	if c.Help.Pages != "" {
		o.Own, err = help.ReadPages(c.Help.Pages)
	}
	return o, err
}

// served puts the real port in the place of port 0.
func served(text, address string) string {
	u, err := url.Parse(text)
	if err != nil || u.Port() != "0" {
		return text
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	u.Host = net.JoinHostPort(u.Hostname(), port)
	return u.String()
}
