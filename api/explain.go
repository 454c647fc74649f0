package api

import "github.com/danielgtaylor/huma/v2"

func (s *Server) registerExplain(huma.API) {}
