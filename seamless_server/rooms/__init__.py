"""Who is where: rooms, members, rights and transcripts, without any wire format."""
