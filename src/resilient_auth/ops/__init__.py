"""Operations: health checks for those who run the service."""
